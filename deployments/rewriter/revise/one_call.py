"""Softens and grounds with one question to an instruct model, which answers in a JSON schema."""

from deployments.contracts import RewriteRequest, Version
from deployments.errors import ConfigurationError
from deployments.inference.protocols import CausalLM
from deployments.policy import Policy
from deployments.rewriter.config import RewriterConfig
from deployments.rewriter.revise.ground import grounded
from deployments.rewriter.revise.instruct import (
    SCHEMA,
    Answer,
    InstructTemplate,
    instructions,
    parsed,
)
from deployments.rewriter.revise.proposal import new_wording
from deployments.rewriter.revise.revision import Revision
from deployments.rewriter.revise.similarity import Similarity
from deployments.rewriter.revise.soften import SOFT_KINDS, soft_kind, softened
from deployments.rewriter.revise.vague import vague

FORM_TOKENS = 64
"""More than the JSON around the wordings takes."""


class OneCall:
    """A `Reviser` that asks for everything at once, or asks nothing if nothing is due.

    A prompt that is to be softened and cannot be is not grounded either: the walk blocks it.
    """

    def __init__(
        self, model: CausalLM, policy: Policy, similarity: Similarity, config: RewriterConfig
    ) -> None:
        """
        Raises:
            ConfigurationError: the model has no fitting chat template, or is too short for it.
        """
        self._model, self._policy = model, policy
        self._similarity, self._config = similarity, config
        self._template = InstructTemplate(model.tokenizer)
        longest = max(
            len(self._template.encode("", instructions(kind, category, ground=True, vague=True)))
            for kind in SOFT_KINDS
            for category in policy.categories.values()
        )
        if longest + self._answer_tokens("") > model.max_tokens:
            raise ConfigurationError(
                f"the rewriter's question alone takes {longest} tokens; raise "
                "rewriter.llm.max_model_len well above that"
            )

    async def revise(self, version: Version, request: RewriteRequest) -> Revision:
        kind, name = soft_kind(request), request.category or ""
        category = self._policy.categories.get(name)
        ground = "ground" in request.kinds
        scene_open = ground and vague(version.prompt)
        unchanged = Revision(version, version)
        due = category is not None if kind else scene_open
        if not due:
            return unchanged
        told = instructions(kind, category, ground=ground, vague=scene_open)
        # A scene is drawn by the seed, and so is what the same answer softens.
        temperature = self._config.ground_temperature if scene_open else self._config.temperature
        answer = await self._answer(version.prompt, told, temperature, request.seed)
        if answer is None or not answer.harmless_core:
            return unchanged
        safe = version
        if kind:
            found = self._wording(answer.softened, version.prompt)
            softer = await softened(version, found, kind, name, self._similarity, self._policy)
            if softer is None:
                return unchanged
            safe = softer
        if not ground or not vague(safe.prompt):
            return Revision(safe, safe)
        found = self._wording(answer.specific, safe.prompt)
        reasons = self._policy.reasons.changes
        return Revision(safe, await grounded(safe, found, self._similarity, reasons))

    async def _answer(self, prompt: str, told: str, temperature: float, seed: int) -> Answer | None:
        """None if the prompt is too long, or the answer is cut off or not of the form."""
        ids, limit = self._template.encode(prompt, told), self._answer_tokens(prompt)
        if len(ids) + limit > self._model.max_tokens:
            return None
        answer = await self._model.complete(
            ids,
            limit,
            temperature=temperature,
            seed=seed,
            stop_token_ids=self._template.stop_ids,
            schema=SCHEMA,
        )
        return parsed(answer)

    def _answer_tokens(self, prompt: str) -> int:
        """Tokens of the longest answer: a softened prompt, and that made specific."""
        softened_tokens = self._wording_tokens(prompt)
        return softened_tokens + self._config.longest_answer(softened_tokens) + FORM_TOKENS

    def _wording_tokens(self, prompt: str) -> int:
        return self._config.longest_answer(len(self._template.user(prompt)))

    def _wording(self, answer: str, prompt: str) -> str | None:
        """The answer as a prompt, if it is another one and has not grown beyond the limit."""
        found = new_wording(answer, prompt)
        if found is None or len(self._template.user(found)) > self._wording_tokens(prompt):
            return None
        return found
