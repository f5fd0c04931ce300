"""Softening: the same picture without the demeaning or harmful framing, every change disclosed.

The model's answer is only a proposal. The walk has the guard judge it again before it is drawn.
"""

import difflib
import math
import time
from collections.abc import Sequence
from typing import Protocol

from deployments.contracts import Change, Rewrite, RewriteRequest, StageRecord
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


class Softener:
    """Asks the model for a softer prompt. Holds no state between requests."""

    def __init__(self, model: Model, template: RewriterTemplate, config: RewriterConfig) -> None:
        self._model, self._template, self._config = model, template, config

    async def rewrite(self, request: RewriteRequest) -> Rewrite:
        """The softened prompt and what was changed; no changes where there is nothing to keep.

        A kind other than soften, a prompt longer than the model reads, an answer that is cut off,
        empty, or the prompt again: all give no changes, and the prompt as it was.

        Raises:
            StageFailed: the engine cannot answer.
        """
        started = time.perf_counter()
        answer = await self._ask(request) if request.kind == "soften" else None
        changes = changes_between(request.prompt, answer, request) if answer else ()
        record = StageRecord(
            stage="rewriter",
            action=request.kind if changes else "unchanged",
            category=request.category,
            why=_why(request) if changes else "",
            ms=(time.perf_counter() - started) * 1000,
        )
        prompt = answer if answer and changes else request.prompt
        return Rewrite(prompt=prompt, changes=changes, stages=(record,))

    async def _ask(self, request: RewriteRequest) -> str | None:
        ids = self._template.encode(request.prompt, request.category)
        tokens = len(self._template.text(request.prompt))
        limit = math.ceil(tokens * self._config.max_growth) + self._config.spare_tokens
        if len(ids) + limit > self._model.max_tokens:
            return None
        answer = await self._model.complete(
            ids,
            limit,
            temperature=self._config.temperature,
            seed=request.seed,
            stop_token_ids=self._template.stop_ids,
        )
        return None if answer is None else self._template.parse(answer)


def changes_between(before: str, after: str, request: RewriteRequest) -> tuple[Change, ...]:
    """One change per passage of words that differs; none if the texts have the same words."""
    old, new = before.split(), after.split()
    passages = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return tuple(
        Change(
            kind=request.kind,
            before=" ".join(old[old_from:old_to]),
            after=" ".join(new[new_from:new_to]),
            why=_why(request),
        )
        for tag, old_from, old_to, new_from, new_to in passages
        if tag != "equal"
    )


def _why(request: RewriteRequest) -> str:
    return f"softened, because the prompt was found {request.category.replace('_', ' ')}"
