"""A question in a model's own chat template.

The template is rendered by `apply_chat_template` around a placeholder. A request's tokens take the
placeholder's place, so no text of a user ever passes through the template.
"""

import re
from collections.abc import Mapping
from typing import Any

from deployments.errors import ConfigurationError
from deployments.inference.prompt_template import PromptTemplate, any_of
from deployments.inference.protocols import Tokenizer

PLACE = "SAFELIGHT-REQUEST-HERE"


class ChatTemplate(PromptTemplate):
    """A model's own template around one message.

    Attributes:
        text: the rendered template, with PLACE where the request stands.
        stop_ids: tokens that end an answer.
    """

    def __init__(
        self, tokenizer: Tokenizer, message: str, *, images: int = 0, **arguments: Any
    ) -> None:
        """
        Args:
            message: what the model is told, with PLACE in it once.
            images: number of pictures that come before the message.
            arguments: for the template; one that has no use for them ignores them.

        Raises:
            ConfigurationError: the tokenizer has no chat template that shows the request once.
        """
        self.text = _rendered(tokenizer, message, images, arguments)
        super().__init__(tokenizer, *self.text.split(PLACE))
        self._marks = any_of(set(re.findall(r"<[^<>\n]+>", self.text)), re.IGNORECASE)
        eos = tokenizer.eos_token_id
        self.stop_ids = () if eos is None else (eos,)

    def user(self, text: str) -> list[int]:
        """Token ids of a user's text, which cannot imitate the template in plain text either.

        The text is on one line, and the template's marks in it (`<END ...>`) lose their brackets.
        """
        words = " ".join(text.split())
        if not words:
            return []
        # The template's words before it end without a space, which most tokenizers join to a word.
        return self.plain(" " + self._marks.sub(lambda mark: f" {mark[0][1:-1]} ", words))


def _rendered(tokenizer: Tokenizer, text: str, images: int, arguments: Mapping[str, Any]) -> str:
    """The template around `text`. Some templates take it as a string, some as a list of parts.

    With the wrong form a template often renders without an error and without the text.
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
