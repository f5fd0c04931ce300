"""The edge on its own: the real application, in process, with a plain object for the walk."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import httpx
import httpx2
import numpy as np
import openai
import pytest
from PIL import Image

from deployments.contracts import (
    Change,
    Picture,
    PictureVerdict,
    PromptVerdict,
    Safety,
    StageRecord,
    Try,
    TryVerdict,
)
from deployments.gateway.config import GatewayConfig
from deployments.gateway.edge.app import create_app
from deployments.gateway.walk.jobs import ImageJob, Outcome, Preview, PromptJob
from deployments.gateway.walk.release import Released
from deployments.paths import ROOT
from deployments.policy import Policy, load_policy
from deployments.telemetry.trace import Trace
from tests.official import check_official

POLICY_FILE = ROOT / "configs" / "policies" / "default.yaml"


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


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class PlainWalk:
    """Decides as it is told, and remembers what it was asked.

    `failure` comes before the prompt is let in, `late_failure` after; pictures wait for `drawn`.
    """

    policy: Policy
    failure: Exception | None = None
    refused: tuple[int, ...] = ()
    rewritten: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    action: str = "allow"
    category: str | None = None
    late_failure: Exception | None = None
    drawn: asyncio.Event = field(default_factory=_set)
    jobs: list[ImageJob] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    seen: dict[str, float] = field(default_factory=lambda: {"violence": 0.0})
    pictures: list[tuple[str, str]] = field(default_factory=list)

    async def generate(
        self, job: ImageJob, trace: Trace, admitted: Callable[[], None] = lambda: None
    ) -> Outcome:
        self.jobs.append(job)
        trace.stage(StageRecord(stage="guard", action="allow"))
        self._fail()
        admitted()
        await self.drawn.wait()
        if self.late_failure is not None:
            raise self.late_failure
        trace.drawn(make_picture(0, job.width, job.height))
        for index in range(job.n):
            trace.tried(_try(index, job))
        for index in self.refused:
            trace.refused(index)
        left = job.n - len(self.refused)
        return Outcome(
            pictures=tuple(
                Released(index=i, picture=make_picture(job.seed + i, job.width, job.height))
                for i in range(job.n)
                if i not in self.refused
            ),
            prompts=(self.rewritten or job.prompt,) * left,
            changes=(self._changes(job.prompt),) * left,
            prompt_tokens=7,
            latent_positions=256 * job.n,
        )

    async def moderate(self, prompt: str, trace: Trace) -> PromptVerdict:
        self.texts.append(prompt)
        self._fail()
        return PromptVerdict.model_validate(
            {
                "policy": self.policy.ref,
                "action": self.action,
                "category": self.category,
                "score": self.scores.get(self.category or "", 0.0),
                "why": "as told",
                "stage": "llm",
                "scores": dict.fromkeys(self.policy.categories, 0.01) | self.scores,
                "rewrite": "soften" if self.action == "rewrite" else None,
            }
        )

    async def moderate_picture(self, picture: Picture, prompt: str, trace: Trace) -> PictureVerdict:
        self.pictures.append((prompt, picture.sha256))
        self._fail()
        worst = max(self.seen, key=self.seen.__getitem__)
        flagged = self.seen[worst] >= self.policy.output.thresholds[worst]
        return PictureVerdict(
            flagged=flagged,
            category=worst if flagged else None,
            score=self.seen[worst],
            scores=dict.fromkeys(self.policy.output.thresholds, 0.0) | self.seen,
            why="as told",
            sha256=picture.sha256,
        )

    async def preview(self, job: PromptJob, trace: Trace) -> Preview:
        self._fail()
        return Preview.model_validate(
            {
                "action": self.action,
                "scores": self.scores,
                "prompt": self.rewritten or job.prompt,
                "changes": self._changes(job.prompt),
            }
        )

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _changes(self, prompt: str) -> tuple[Change, ...]:
        if self.rewritten is None:
            return ()
        return (Change(kind="soften", before=prompt, after=self.rewritten, why="as told"),)


def _try(index: int, job: ImageJob) -> Try:
    return Try(
        index=index,
        seed=(job.seed + index) % 2**32,
        steer=False,
        strength=0.0,
        steps=job.steps,
        turned_at_step=None,
        score_before=None,
        verdict=TryVerdict(flagged=False, category=None, score=0.1),
    )


@dataclass
class Memory:
    """An audit log that keeps its lines in a list."""

    failure: Exception | None = None
    lines: list[tuple[Safety, str]] = field(default_factory=list)

    def write(self, safety: Safety, prompt: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.lines.append((safety, prompt))


@dataclass
class Readiness:
    """Whether the services behind the edge can answer."""

    status: str = "ready"

    async def __call__(self) -> str:
        return self.status


@pytest.fixture
def policy() -> Policy:
    return load_policy(POLICY_FILE)


@pytest.fixture
def config() -> GatewayConfig:
    return GatewayConfig(
        model="miniature",
        aliases=("dall-e-3", "gpt-image-1"),
        native_sizes=("64x64", "96x64"),
        resized_sizes={"1024x1024": "64x64"},
        default_steps=20,
        max_steps=50,
        quality_steps={"low": 8, "high": 40},
        default_guidance_scale=4.0,
        max_prompt_chars=500,
        max_body_bytes=100_000,
    )


@pytest.fixture
def walk(policy: Policy) -> PlainWalk:
    return PlainWalk(policy)


@pytest.fixture
def audit() -> Memory:
    return Memory()


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def app(walk: PlainWalk, config: GatewayConfig, audit: Memory, readiness: Readiness) -> Any:
    return create_app(walk, config, audit, readiness)


@pytest.fixture
async def http(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://safelight") as client:
        yield client


@pytest.fixture
async def client(app: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    """The official client; only base_url is changed. `calls` of its transport counts requests."""
    transport = CountingTransport(app)
    async with httpx2.AsyncClient(transport=transport) as http_client:
        yield openai.AsyncOpenAI(
            api_key="any", base_url="http://safelight/v1", http_client=http_client
        )


class CountingTransport(httpx2.ASGITransport):
    """Counts the requests that the official client really sends, retries included."""

    calls = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.calls += 1
        return await super().handle_async_request(request)


@pytest.fixture
def official() -> Callable[..., None]:
    """See `tests.official.check_official`."""
    return check_official
