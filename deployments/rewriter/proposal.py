"""One question to the rewriter's language model, and what may be made of the answer."""

import difflib
import math
from collections.abc import Sequence
from typing import Protocol

from deployments.contracts import Change, RewriteKind
from deployments.rewriter.config import RewriterConfig
from deployments.rewriter.template import RewriterTemplate


class Model(Protocol):
    """What this file needs of `deployments.llm.LanguageModel`."""

    @property
    def max_tokens(self) -> int: ...

    async def complete(
        self,
        ids: Sequence[int],
        max_tokens: int,
        *,
        temperature: float = 0.0,
        seed: int | None = None,
        stop_token_ids: Sequence[int] = (),
    ) -> str | None: ...


class Proposer:
    """Asks for another wording of a prompt. Holds no state between requests."""

    def __init__(self, model: Model, template: RewriterTemplate, config: RewriterConfig) -> None:
        self._model, self._template, self._config = model, template, config

    async def propose(
        self, prompt: str, about: str, *, temperature: float, seed: int
    ) -> str | None:
        """The model's wording, or None where there is none to be had.

        None for: a prompt longer than the model reads, an answer that is cut off, empty, says that
        nothing harmless is left, or is the prompt again.

        Args:
            about: what is wrong with the prompt, a category or VAGUE.

        Raises:
            StageFailed: the engine cannot answer.
        """
        ids = self._template.encode(prompt, about)
        tokens = len(self._template.text(prompt))
        limit = math.ceil(tokens * self._config.max_growth) + self._config.spare_tokens
        if len(ids) + limit > self._model.max_tokens:
            return None
        answer = await self._model.complete(
            ids, limit, temperature=temperature, seed=seed, stop_token_ids=self._template.stop_ids
        )
        found = None if answer is None else self._template.parse(answer)
        return None if found is None or found.split() == prompt.split() else found


def changes_between(before: str, after: str, kind: RewriteKind, why: str) -> tuple[Change, ...]:
    """One change per passage of words that differs; none if the texts have the same words."""
    old, new = before.split(), after.split()
    passages = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return tuple(
        Change(
            kind=kind,
            before=" ".join(old[old_from:old_to]),
            after=" ".join(new[new_from:new_to]),
            why=why,
        )
        for tag, old_from, old_to, new_from, new_to in passages
        if tag != "equal"
    )
