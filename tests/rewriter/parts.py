"""A model that answers everything with one text, and the real parts that tests share."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.inference.embedded.resolve import resolve
from deployments.inference.encoder import TokenEncoder
from deployments.inference.language_model import LanguageModelConfig
from deployments.policy import Changes
from deployments.rewriter.anonymise.anonymiser import Anonymiser
from deployments.rewriter.anonymise.tagger import Recogniser
from deployments.rewriter.config import RewriterConfig
from deployments.rewriter.revise.proposal import Proposer
from deployments.rewriter.revise.similarity import Similarity
from deployments.rewriter.revise.template import RewriterTemplate
from tests.guard.parts import WordTokenizer

if TYPE_CHECKING:
    from deployments.rewriter.anonymise.details import Finder

THREAD = ThreadPoolExecutor(max_workers=1)


@cache
def encoder() -> TokenEncoder:
    """The embedded MiniLM."""
    return TokenEncoder()


@cache
def recogniser() -> Recogniser:
    """The shipped tagger of names."""
    return Recogniser(Path(resolve("embedded:names")), encoder())


@cache
def anonymiser() -> Anonymiser:
    """The shipped tagger and Presidio, whose import takes seconds."""
    return Anonymiser(recogniser(), Changes())


@cache
def finder() -> "Finder":
    """Presidio with the shipped tagger."""
    from deployments.rewriter.anonymise.details import Finder

    return Finder(recogniser())


def similarity(alike: bool = True) -> Similarity:
    """Finds all texts alike, or none that differ."""
    return Similarity(encoder(), -1.0 if alike else 1.0, THREAD)


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


def proposer(model: OneAnswer) -> Proposer:
    config = RewriterConfig(llm=LanguageModelConfig(model="unused"), names="unused")
    return Proposer(model, RewriterTemplate(WordTokenizer()), config)


def seconds(work: Callable[[], object]) -> float:
    """Processor time of this thread, so that a busy machine counts little; the least of three."""
    times = []
    for _ in range(3):
        started = time.thread_time()
        work()
        times.append(time.thread_time() - started)
    return min(times)
