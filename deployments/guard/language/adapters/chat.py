"""Guard models that are asked through their own chat template and answer in words."""

import logging
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from deployments.contracts import GuardRequest, Operation
from deployments.errors import ConfigurationError
from deployments.guard.config import GuardConfig
from deployments.guard.language.adapters.protocol import Level
from deployments.guard.language.question import in_windows
from deployments.inference.chat_template import PLACE, ChatTemplate
from deployments.inference.protocols import CausalLM, Tokenizer
from deployments.policy import Policy

logger = logging.getLogger(__name__)

OPENING: dict[Operation, str] = {
    "generate": "Make a picture of this:",
    "edit": "Change the picture like this:",
}
AVOIDING = "\nIt must not show:"
"""It starts a new line, which no text of a user can do."""
ANSWER_TOKENS = 64
"""A list of categories takes fewer; a longer answer counts as no answer."""


class ChatFrame(ChatTemplate):
    """A guard model's own question around a request."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        operation: Operation,
        window: int,
        overlap: int,
        **arguments: Any,
    ) -> None:
        """
        Args:
            window: the most tokens of user text in one question.
            overlap: tokens of user text that neighbouring windows share, fewer than `window`.
            arguments: variables of the chat template, which may ignore them.

        Raises:
            ConfigurationError: the tokenizer has no chat template that shows the request once.
        """
        super().__init__(tokenizer, f"{OPENING[operation]}{PLACE}", **arguments)
        self._window, self._overlap = window, overlap
        self._avoiding = self.control(AVOIDING)

    def windows(self, request: GuardRequest) -> list[list[int]]:
        """Token ids of one or more questions that together show the whole request."""
        prompt, negative = self.user(request.prompt), self.user(request.negative_prompt)
        return [
            self._question(*piece)
            for piece in in_windows(prompt, negative, self._window, self._overlap)
        ]

    @property
    def longest(self) -> int:
        """Tokens of the longest question."""
        return len(self.around(self._avoiding)) + self._window

    def _question(self, prompt: list[int], negative: list[int]) -> list[int]:
        avoiding = self._avoiding + negative if negative else []
        return self.around(prompt + avoiding)


class ChatAdapter:
    """Reads the verdict off the token where the verdicts differ, and the kind from what follows."""

    def __init__(
        self,
        model: CausalLM,
        frame: ChatFrame,
        verdicts: Mapping[Level, str],
        then: str,
        kinds: Mapping[str, tuple[str, ...]],
        names: tuple[str, ...],
    ) -> None:
        """
        Args:
            verdicts: the answer's beginning at each level.
            then: the text between the verdict and the categories.
            kinds: the model's name of a category -> the policy's categories, perhaps none.
            names: categories of the policy that the model is asked about.

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

    def windows(self, request: GuardRequest) -> list[list[int]]:
        return [ids + self._lead for ids in self._frame.windows(request)]

    async def kinds(self, ids: list[int], level: Level) -> list[dict[str, float]]:
        answer = await self._model.complete(
            ids + self._behind[level], ANSWER_TOKENS, stop_token_ids=self._frame.stop_ids
        )
        said = [part.strip().casefold() for part in (answer or "").split(",")]
        if unknown := [part for part in said if not self._kinds.get(part)]:
            # The answer may quote the prompt, so only the model's own category names are logged.
            own = [part for part in unknown if part in self._kinds]
            logger.warning("guard: harm of no category of the policy's: %s", own or "unreadable")
            return []
        meant = dict.fromkeys(name for part in said for name in self._kinds[part])
        return [{**dict.fromkeys(self.names, 0.0), name: 1.0} for name in meant]


def own_kinds(
    default: Mapping[str, tuple[str, ...]], policy: Policy, config: GuardConfig
) -> dict[str, tuple[str, ...]]:
    """Category of the model -> categories of the policy that it counts as.

    Raises:
        ConfigurationError: `guard.llm_categories` names a category that the model or policy lacks.
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
    """The categories of `asked` that a model with a fixed taxonomy can name.

    Raises:
        ConfigurationError: it has no name for a category that the policy acts on, and the operator
            did not leave that category to the other stages (`unjudged`); or it can name none.
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
