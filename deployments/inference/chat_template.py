"""Models that are asked through their own chat template, shared by every service that does so.

The template is the model's, rendered around a placeholder by `apply_chat_template`. A request's
tokens take the placeholder's place, so no text of a user ever passes through the template, and
none of it can become a control token.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

from deployments.errors import ConfigurationError

PLACE = "SAFELIGHT-REQUEST-HERE"


class ChatTokenizer(Protocol):
    """A tokenizer with a chat template; `transformers` tokenizers have it."""

    @property
    def eos_token_id(self) -> int | None: ...

    def encode(
        self, text: str, *, add_special_tokens: bool, split_special_tokens: bool
    ) -> list[int]: ...

    def apply_chat_template(
        self,
        conversation: list[dict[str, Any]],
        *,
        tokenize: Literal[False],
        add_generation_prompt: bool,
        **arguments: Any,
    ) -> str: ...

    def get_added_vocab(self) -> dict[str, int]: ...


class ChatTemplate:
    """A model's own template around one message.

    Attributes:
        text: the rendered template, with PLACE where the request stands.
        stop_ids: tokens that end an answer.
    """

    def __init__(
        self, tokenizer: ChatTokenizer, message: str, *, images: int = 0, **arguments: Any
    ) -> None:
        """
        Args:
            message: what the model is told, with PLACE in it once.
            images: how many pictures come before it.
            arguments: for the template; one that has no use for them ignores them.

        Raises:
            ConfigurationError: the tokenizer has no chat template that shows the request once.
        """
        self._tokenizer = tokenizer
        self.text = _rendered(tokenizer, message, images, arguments)
        before, after = self.text.split(PLACE)
        self._before, self._after = self.control(before), self.control(after)
        marks = set(re.findall(r"<[^<>\n]+>", self.text))
        self._marks = _any_of(marks, re.IGNORECASE)
        self._added = _any_of(token for token in tokenizer.get_added_vocab() if len(token) > 1)
        eos = tokenizer.eos_token_id
        self.stop_ids = () if eos is None else (eos,)

    def around(self, request: list[int]) -> list[int]:
        """Token ids of the whole question, up to the answer's first token."""
        return self._before + request + self._after

    def control(self, text: str) -> list[int]:
        """Tokens of text that is not the user's; control tokens in it are read as such."""
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=False)

    def user(self, text: str) -> list[int]:
        """User text as tokens, none of which is an added token.

        On one line and with the template's marks (`<END ...>`) broken up, it cannot imitate the
        template in plain text. `split_special_tokens` leaves added tokens whole that are not
        special (Qwen's `</think>`), so text is encoded in pieces that end inside of each.
        """
        words = " ".join(text.split())
        if not words:
            return []
        # The template's text before it ends without a space, which most tokenizers join to a word.
        words = " " + self._marks.sub(lambda mark: f" {mark[0][1:-1]} ", words)
        ids, start = [], 0
        while added := self._added.search(words, start):
            ids += self._plain(words[start : added.start() + 1])
            start = added.start() + 1
        return ids + self._plain(words[start:])

    def _plain(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)


def _rendered(
    tokenizer: ChatTokenizer, text: str, images: int, arguments: Mapping[str, Any]
) -> str:
    """The template around `text`; some take it as a string, some as a list of parts.

    The wrong form often renders without an error and without the text.
    """
    failure: Exception | None = None
    parts = [*({"type": "image"} for _ in range(images)), {"type": "text", "text": text}]
    for content in (parts,) if images else (text, parts):
        try:
            rendered = tokenizer.apply_chat_template(
                [{"role": "user", "content": content}],
                tokenize=False,
                add_generation_prompt=True,
                **arguments,
            )
        except Exception as error:  # a template may raise whatever it likes
            failure = error
            continue
        if rendered.count(PLACE) == 1:
            return rendered
    raise ConfigurationError(
        "the model's chat template does not show the request, once"
    ) from failure


def _any_of(texts: Iterable[str], flags: int = 0) -> re.Pattern[str]:
    """Matches each of `texts`, the longest first; nothing if there are none."""
    alternatives = sorted(map(re.escape, texts), key=len, reverse=True)
    return re.compile("|".join(alternatives) or r"(?!)", flags)
