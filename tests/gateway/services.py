"""All four services as one plain object, for tests of the edge over the real walk."""

import asyncio
import hashlib
from io import BytesIO

import numpy as np
from PIL import Image

from deployments.contracts import (
    Change,
    Generation,
    GenerationRequest,
    GuardRequest,
    Picture,
    PictureRequest,
    PictureVerdict,
    PromptVerdict,
    Rewrite,
    RewriteRequest,
    Screening,
    StageRecord,
    Version,
)
from deployments.gateway.walk.pipeline import Walk
from deployments.policy import Policy


def make_picture(seed: int = 0, width: int = 64, height: int = 64) -> Picture:
    """A picture of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return Picture(
        png=buffer.getvalue(),
        width=width,
        height=height,
        sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
    )


class Services:
    """Each service answers as it is told, and notes what it was asked.

    The guard says `action`, `category` and `scores` of every prompt but `rewritten`, which the
    rewriter proposes. Diffusion draws random pixels as soon as `drawn` is set; they are said to
    have the digest `sha256` where that is given. The classifier finds `seen` in every picture, and
    violence in those of the `harmful` seeds. A service that stands in `failures` raises instead.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.failures: dict[str, Exception] = {}
        self.action, self.category = "allow", None
        self.scores: dict[str, float] = {}
        self.rewritten: str | None = None
        self.begun, self.drawn, self.sha256 = asyncio.Event(), asyncio.Event(), None
        self.drawn.set()
        self.seen: dict[str, float] = {}
        self.harmful: frozenset[int] = frozenset()
        self.read: list[GuardRequest] = []
        self.rewrites: list[RewriteRequest] = []
        self.requests: list[GenerationRequest] = []
        self.cancelled = 0
        self.judged: list[PictureRequest] = []

    @property
    def walk(self) -> Walk:
        """The real walk over these services."""
        return Walk(self.policy, self, self, self, self)

    async def screen(self, request: GuardRequest) -> PromptVerdict | Screening:
        self.read.append(request)
        self._fail("guard")
        action = "allow" if request.prompt == self.rewritten else self.action
        return PromptVerdict.model_validate(
            {
                "policy": self.policy.ref,
                "action": action,
                "category": self.category,
                "score": self.scores.get(self.category or "", 0.0),
                "why": "as told",
                "stage": "guard",
                "scores": dict.fromkeys(self.policy.categories, 0.01) | self.scores,
                "rewrite": "soften" if action == "rewrite" else None,
                "stages": [StageRecord(stage="guard", action=action)],
            }
        )

    async def decide(self, request: GuardRequest, screening: Screening) -> PromptVerdict:
        raise AssertionError("screen has decided")

    async def rewrite(self, request: RewriteRequest) -> Rewrite:
        self.rewrites.append(request)
        self._fail("rewriter")
        asked = Version(prompt=request.prompt)
        if self.rewritten is None:
            return Rewrite(safe=asked, pictures=(asked,) * request.n)
        harm = "soften" in request.kinds
        kind = "soften" if harm else "diversify"
        change = Change(kind=kind, before=request.prompt, after=self.rewritten, why="as told")
        made = Version(prompt=self.rewritten, changes=(change,))
        return Rewrite(safe=made if harm else asked, pictures=(made,) * request.n)

    async def check(self, request: GenerationRequest, n: int) -> None:
        self._fail("diffusion")

    async def generate(self, request: GenerationRequest) -> Generation:
        self.requests.append(request)
        self.begun.set()
        try:
            await self.drawn.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        picture = make_picture(request.seed, request.width, request.height)
        if self.sha256 is not None:
            picture = picture.model_copy(update={"sha256": self.sha256})
        return Generation(
            picture=picture,
            seed=request.seed,
            steps=request.steps,
            prompt_tokens=7,
            latent_positions=256,
        )

    async def judge(self, request: PictureRequest) -> PictureVerdict:
        self.judged.append(request)
        self._fail("classifier")
        thresholds = self.policy.output.thresholds
        scores = dict.fromkeys(thresholds, 0.0) | self.seen
        if request.output.sha256 in {make_picture(seed).sha256 for seed in self.harmful}:
            scores["violence"] = 1.0
        worst = max(scores, key=scores.__getitem__)
        flagged = scores[worst] >= thresholds[worst]
        return PictureVerdict(
            flagged=flagged,
            category=worst if flagged else None,
            score=scores[worst],
            scores=scores,
            why="as told",
            sha256=request.output.sha256,
        )

    def _fail(self, stage: str) -> None:
        if stage in self.failures:
            raise self.failures[stage]
