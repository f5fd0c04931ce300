"""One question to the rewriter's own language model, and what its answer may change."""

import difflib
import re

from deployments.contracts import Change, RewriteKind
from deployments.inference.protocols import CausalLM
from deployments.rewriter.config import RewriterConfig
from deployments.rewriter.revise.template import NOTHING, RewriterTemplate

CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Proposer:
    """Asks for another wording of a prompt. Holds no state between requests."""

    def __init__(self, model: CausalLM, template: RewriterTemplate, config: RewriterConfig) -> None:
        self._model, self._template, self._config = model, template, config

    async def propose(
        self, prompt: str, about: str, *, temperature: float, seed: int
    ) -> str | None:
        """The model's wording, or None.

        It is None if the prompt is longer than the model reads, or if the answer is cut off, is
        empty, says that nothing harmless is left, or is the prompt again.

        Args:
            about: what is wrong with the prompt, a category or VAGUE.

        Raises:
            StageFailed: the engine cannot answer.
        """
        ids = self._template.encode(prompt, about)
        limit = self._config.longest_answer(len(self._template.plain(prompt)))
        if len(ids) + limit > self._model.max_tokens:
            return None
        answer = await self._model.complete(
            ids, limit, temperature=temperature, seed=seed, stop_token_ids=self._template.stop_ids
        )
        return new_wording(answer or "", prompt)


def new_wording(answer: str, prompt: str) -> str | None:
    """The answer as a prompt, or None.

    It is None if it is empty, says `none`, has more than one line, or is the prompt again.
    """
    found = answer.strip()
    if found.casefold() in ("", NOTHING, f"{NOTHING}.") or CONTROL.search(found):
        return None
    return None if found.split() == prompt.split() else found


def changes_between(before: str, after: str, kind: RewriteKind, why: str) -> tuple[Change, ...]:
    """A change for each passage of words that differs; none if the texts have the same words."""
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
