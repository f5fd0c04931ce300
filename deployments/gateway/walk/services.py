"""The four services as the walk sees them."""

from dataclasses import dataclass
from typing import Protocol

from deployments.contracts import (
    Generation,
    GenerationRequest,
    GuardRequest,
    PictureRequest,
    PictureVerdict,
    PromptVerdict,
    Rewrite,
    RewriteRequest,
    Screening,
)


class Guard(Protocol):
    async def screen(self, request: GuardRequest) -> PromptVerdict | Screening: ...

    async def decide(self, request: GuardRequest, screening: Screening) -> PromptVerdict: ...


class Rewriter(Protocol):
    async def rewrite(self, request: RewriteRequest) -> Rewrite: ...


class Diffusion(Protocol):
    async def check(self, request: GenerationRequest, n: int) -> None: ...

    async def generate(self, request: GenerationRequest) -> Generation: ...


class Classifier(Protocol):
    async def judge(self, request: PictureRequest) -> PictureVerdict: ...


@dataclass(frozen=True)
class Services:
    """All four."""

    guard: Guard
    rewriter: Rewriter
    diffusion: Diffusion
    classifier: Classifier
