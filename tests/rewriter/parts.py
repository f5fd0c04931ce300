"""A model that answers everything with one text, and a similarity that finds all alike."""

from collections.abc import Sequence

from deployments.inference.language_model import LanguageModelConfig
from deployments.rewriter.config import RewriterConfig
from deployments.rewriter.revise.proposal import Proposer
from deployments.rewriter.revise.template import RewriterTemplate
from tests.guard.parts import WordTokenizer


class OneAnswer:
    """Completes everything with the same text; remembers what it was asked."""

    def __init__(self, text: str | None, max_tokens: int = 400) -> None:
        self.text = text
        self.max_tokens = max_tokens
        self.limits: list[int] = []
        self.seeds: list[int | None] = []

    async def complete(
        self,
        ids: Sequence[int],
        max_tokens: int,
        *,
        temperature: float = 0.0,
        seed: int | None = None,
        stop_token_ids: Sequence[int] = (),
    ) -> str | None:
        assert stop_token_ids
        self.limits.append(max_tokens)
        self.seeds.append(seed)
        return self.text


class Alike:
    """Says the same of every pair of texts."""

    def __init__(self, answer: bool = True) -> None:
        self.answer = answer

    async def holds(self, before: str, after: str) -> bool:
        return self.answer


def proposer(model: OneAnswer) -> Proposer:
    config = RewriterConfig(llm=LanguageModelConfig(model="unused"), names="unused")
    return Proposer(model, RewriterTemplate(WordTokenizer()), config)
