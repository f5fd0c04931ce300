"""Guard models that are asked through their own chat template and answer in words.

The template is the model's, rendered around a placeholder by `apply_chat_template`. The request's
tokens take the placeholder's place, so no text of a user ever passes through the template, and
none of it can become a control token.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import Any

from deployments.contracts import GuardRequest, Operation
from deployments.errors import ConfigurationError
from deployments.guard.adapters.protocol import ChatTokenizer, Level, Model
from deployments.guard.config import GuardConfig
from deployments.guard.template import in_windows
from deployments.policy import Policy

logger = logging.getLogger(__name__)

PLACE = "SAFELIGHT-REQUEST-HERE"
OPENING: dict[Operation, str] = {
    "generate": "Make a picture of this:",
    "edit": "Change the picture like this:",
}
AVOIDING = "\nIt must not show:"
"""On a line of its own, which no text of a user can have."""
ANSWER_TOKENS = 64
"""More than any list of categories takes; an answer that is longer is none."""


class ChatFrame:
    """A model's own question around a request.

    Attributes:
        text: the rendered template, with PLACE where the request stands.
    """

    def __init__(
        self,
        tokenizer: ChatTokenizer,
        operation: Operation,
        window: int,
        overlap: int,
        **arguments: Any,
    ) -> None:
        """`arguments` are for the template; one that has no use for them ignores them.

        Raises:
            ConfigurationError: the tokenizer has no chat template that shows the request once.
        """
        self._tokenizer = tokenizer
        self._window, self._overlap = window, overlap
        self.text = _rendered(tokenizer, f"{OPENING[operation]}{PLACE}", arguments)
        before, after = self.text.split(PLACE)
        self._before, self._after = self.control(before), self.control(after)
        self._avoiding = self.control(AVOIDING)
        marks = set(re.findall(r"<[^<>\n]+>", self.text))
        self._marks = _any_of(marks, re.IGNORECASE)
        self._added = _any_of(token for token in tokenizer.get_added_vocab() if len(token) > 1)

    def windows(self, request: GuardRequest) -> list[list[int]]:
        """Token ids of one or more questions that together show the whole request."""
        prompt, negative = self._user(request.prompt), self._user(request.negative_prompt)
        return [
            self._question(*piece)
            for piece in in_windows(prompt, negative, self._window, self._overlap)
        ]

    @property
    def longest(self) -> int:
        """Tokens of the longest question."""
        return len(self._before) + len(self._avoiding) + self._window + len(self._after)

    def control(self, text: str) -> list[int]:
        """Tokens of text that is not the user's; control tokens in it are read as such."""
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=False)

    def _question(self, prompt: list[int], negative: list[int]) -> list[int]:
        avoiding = self._avoiding + negative if negative else []
        return self._before + prompt + avoiding + self._after

    def _user(self, text: str) -> list[int]:
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


class ChatAdapter:
    """Reads the verdict off the token where the verdicts differ, and the kind from what follows."""

    def __init__(
        self,
        model: Model,
        frame: ChatFrame,
        verdicts: Mapping[Level, str],
        then: str,
        kinds: Mapping[str, tuple[str, ...]],
        names: tuple[str, ...],
    ) -> None:
        """
        Args:
            verdicts: the answer's beginning at each level.
            then: what stands between verdict and categories.
            kinds: category of the model's, as it writes it -> those of the policy; maybe none.
            names: the policy's categories that the model is asked about.

        Raises:
            ConfigurationError: no single token tells the verdicts apart.
        """
        self._model, self._frame, self.names = model, frame, names
        self._kinds = {said.casefold(): meant for said, meant in kinds.items()}
        answers = {level: frame.control(text) for level, text in verdicts.items()}
        columns = zip(*answers.values(), strict=False)
        shared = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
        self._lead = next(iter(answers.values()))[:shared]
        tails = {level: ids[shared:] for level, ids in answers.items()}
        if not all(tails.values()) or len({ids[0] for ids in tails.values()}) < len(tails):
            raise ConfigurationError(f"no one token tells {list(verdicts.values())} apart")
        self.levels: Mapping[Level, int] = {level: ids[0] for level, ids in tails.items()}
        self._behind = {
            level: frame.control(text + then)[shared:] for level, text in verdicts.items()
        }
        longest_behind = max(map(len, self._behind.values()))
        self.longest = frame.longest + len(self._lead) + longest_behind + ANSWER_TOKENS
        eos = model.tokenizer.eos_token_id
        self._stop = () if eos is None else (eos,)

    def windows(self, request: GuardRequest) -> list[list[int]]:
        return [ids + self._lead for ids in self._frame.windows(request)]

    async def kinds(self, ids: list[int], level: Level) -> list[dict[str, float]]:
        answer = await self._model.complete(
            ids + self._behind[level], ANSWER_TOKENS, stop_token_ids=self._stop
        )
        said = [part.strip().casefold() for part in (answer or "").split(",")]
        if unknown := [part for part in said if not self._kinds.get(part)]:
            # The answer may quote the prompt, which is not for the log: the model's own words only.
            own = [part for part in unknown if part in self._kinds]
            logger.warning("guard: harm of no category of the policy's: %s", own or "unreadable")
            return []
        meant = dict.fromkeys(name for part in said for name in self._kinds[part])
        return [{**dict.fromkeys(self.names, 0.0), name: 1.0} for name in meant]


def own_kinds(
    default: Mapping[str, tuple[str, ...]], policy: Policy, config: GuardConfig
) -> dict[str, tuple[str, ...]]:
    """What each category of the model's counts as under the policy, as the operator has it.

    Raises:
        ConfigurationError: `guard.llm_categories` names what the model or the policy has not.
    """
    for said, meant in config.llm_categories.items():
        if said not in default:
            raise ConfigurationError(
                f"guard.llm_categories: the model has no category {said!r}, only {list(default)}"
            )
        if absent := set(meant) - set(policy.categories):
            raise ConfigurationError(
                f"guard.llm_categories: the policy has no category {sorted(absent)}"
            )
    return {
        said: tuple(name for name in meant if name in policy.categories)
        for said, meant in {**default, **config.llm_categories}.items()
    }


def judged(
    kinds: Mapping[str, tuple[str, ...]], policy: Policy, asked: tuple[str, ...], unjudged: set[str]
) -> tuple[str, ...]:
    """Those of `asked` that a model with a fixed taxonomy can name.

    Raises:
        ConfigurationError: it has no word for a category that the policy acts on, and the operator
            has not said that the other stages suffice for it; or it can name none at all.
    """
    reached = {name for meant in kinds.values() for name in meant}
    missing = [
        name
        for name in asked
        if policy.categories[name].action != "allow" and name not in reached | unjudged
    ]
    if missing:
        raise ConfigurationError(
            f"the model's fixed categories have none for {missing}: map one to it in "
            "guard.llm_categories, or leave it to the other stages by guard.llm_unjudged"
        )
    names = tuple(name for name in asked if name in reached - unjudged)
    if not names:
        raise ConfigurationError("the model judges none of the policy's categories")
    return names


def _rendered(tokenizer: ChatTokenizer, text: str, arguments: Mapping[str, Any]) -> str:
    """The template around `text`; some take it as a string, some as a list of parts.

    The wrong form often renders without an error and without the text.
    """
    failure: Exception | None = None
    for content in (text, [{"type": "text", "text": text}]):
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
