"""Plain objects with the services' methods: scripted, countable, slow or broken.

Tests of the walk hand them over as arguments; nothing is patched.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence

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
    RewriteKind,
    RewriteRequest,
    Screening,
    StageRecord,
    Version,
)
from deployments.errors import Overloaded
from deployments.gateway.walk.jobs import ImageJob
from deployments.policy import Policy

POLICY = Policy.model_validate(
    {
        "name": "test",
        "version": "1",
        "categories": {
            "violence": {
                "code": "A", "description": "violence", "why": "it is violent", "action": "block",
            },
            "demeaning": {
                "code": "B", "description": "demeaning", "why": "it demeans",
                "action": "rewrite", "rewrite": "soften",
            },
            "vague": {
                "code": "C", "description": "vague", "why": "it is vague",
                "action": "rewrite", "rewrite": "ground",
            },
        },
        "manipulations": {"anonymise": False, "ground": False},
        "output": {
            "thresholds": {"violence": 0.5}, "why": {"violence": "it shows violence"},
            "strengths": [1.0, 2.0], "steer_strength": 1.0,
        },
    }
)  # fmt: skip


def impatient(stage: str, policy: Policy = POLICY) -> Policy:
    """The policy with a deadline for one stage that only what never answers can miss."""
    deadlines = policy.deadlines.model_copy(update={stage: 0.05})
    return policy.model_copy(update={"deadlines": deadlines})


def verdict(action: str, category: str | None = None, rewrite: str | None = None) -> PromptVerdict:
    score = 0.0 if action == "allow" else 0.9
    record = StageRecord(stage="llm", action=action, category=category, score=score)
    return PromptVerdict(
        policy=POLICY.ref, action=action, category=category, score=score, why=f"{category}",
        stage="llm", scores={"violence": score}, rewrite=rewrite, stages=(record,),
    )  # fmt: skip


ALLOW = verdict("allow")
STEER = verdict("steer", "violence")
BLOCK = verdict("block", "violence")
SOFTEN = verdict("rewrite", "demeaning", "soften")
GROUND = verdict("rewrite", "vague", "ground")


class Guard:
    """Answers from a table by prompt; unknown prompts are allowed.

    What is in `undecided` takes its language model, which answers once `decided` is set.
    """

    def __init__(
        self, answers: dict[str, PromptVerdict] | None = None, undecided: Sequence[str] = ()
    ) -> None:
        self.answers, self.undecided = answers or {}, undecided
        self.asked: list[str] = []
        self.decided = asyncio.Event()

    async def screen(self, request: GuardRequest) -> PromptVerdict | Screening:
        self.asked.append(request.prompt)
        if request.prompt in self.undecided:
            return Screening(policy=POLICY.ref)
        return self.answers.get(request.prompt, ALLOW)

    async def decide(self, request: GuardRequest, screening: Screening) -> PromptVerdict:
        await self.decided.wait()
        return self.answers.get(request.prompt, ALLOW)


class Rewriter:
    """Does the first asked kind of harm with one text, and says how each picture differs.

    Without a text nothing is made safe; without a `shown` the pictures are drawn from that.
    """

    def __init__(
        self, text: str | None = "a person relaxing", shown: Sequence[str] | None = None
    ) -> None:
        self.text, self.shown = text, shown
        self.asked: list[RewriteRequest] = []

    async def rewrite(self, request: RewriteRequest) -> Rewrite:
        self.asked.append(request)
        safe = Version(prompt=request.prompt)
        harm = [kind for kind in request.kinds if kind in ("anonymise", "soften", "generic")]
        if self.text is not None and harm:
            safe = _changed(safe, harm[-1], self.text)
        shown = self.shown or [safe.prompt] * request.n
        return Rewrite(
            safe=safe,
            pictures=tuple(
                safe if text == safe.prompt else _changed(safe, "diversify", text) for text in shown
            ),
        )


def _changed(version: Version, kind: RewriteKind, text: str) -> Version:
    change = Change(kind=kind, before=version.prompt, after=text, why=f"{kind} was due")
    return Version(prompt=text, changes=(*version.changes, change))


def picture(request: GenerationRequest) -> Picture:
    png = f"{request.prompt}|{request.seed}|{request.strength}".encode()
    return Picture(png=png, width=64, height=64, sha256=hashlib.sha256(png).hexdigest())


def given(name: str = "a portrait") -> Picture:
    """A picture that a client gives."""
    png = name.encode()
    return Picture(png=png, width=64, height=64, sha256=hashlib.sha256(png).hexdigest())


class Diffusion:
    """Draws pictures whose bytes name prompt, seed and strength."""

    def __init__(self) -> None:
        self.asked: list[GenerationRequest] = []
        self.cancelled = 0
        self.full: Overloaded | None = None

    async def check(self, request: GenerationRequest, n: int) -> None:
        if self.full:
            raise self.full

    async def generate(self, request: GenerationRequest) -> Generation:
        self.asked.append(request)
        return Generation(
            picture=picture(request), seed=request.seed, steps=request.steps,
            turned_at_step=0 if request.steer else None, prompt_tokens=3, latent_positions=64,
        )  # fmt: skip


class Classifier:
    """Flags a picture when `harmful` says so of its bytes; of edits, says what `changes` does."""

    def __init__(
        self,
        harmful: Callable[[str], bool] = lambda text: False,
        changes: Callable[[str], tuple[str, ...]] = lambda text: (),
    ) -> None:
        self.harmful, self.changes = harmful, changes
        self.asked: list[PictureRequest] = []

    async def judge(self, request: PictureRequest) -> PictureVerdict:
        self.asked.append(request)
        text = request.output.png.decode()
        flagged, changed = self.harmful(text), self.changes(text) if request.input else ()
        return PictureVerdict(
            flagged=flagged, category="violence" if flagged else None, score=0.9 if flagged else 0,
            scores={"violence": 0.9 if flagged else 0.0}, why="", sha256=request.output.sha256,
            unintended=dict.fromkeys(changed, 0.9), changed=changed,
        )  # fmt: skip


class Slow:
    """Never answers; counts how often it was told to stop."""

    def __init__(self) -> None:
        self.started = 0
        self.cancelled = 0
        self._asked = asyncio.Condition()

    async def reached(self, count: int) -> None:
        """Returns as soon as it was asked so often."""
        async with self._asked:
            await self._asked.wait_for(lambda: self.started >= count)

    async def _wait(self, request: object) -> None:
        self.started += 1
        async with self._asked:
            self._asked.notify_all()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    judge = screen = decide = rewrite = generate = _wait

    async def check(self, request: GenerationRequest, n: int) -> None:
        """There is room, only no answer."""


class Broken:
    """Raises the given error whatever it is asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def _fail(self, *request: object) -> None:
        raise self.error

    judge = screen = decide = rewrite = check = generate = _fail


def job(prompt: str = "a dog", n: int = 1, **changes: object) -> ImageJob:
    fields: dict[str, object] = {
        "request_id": "r1", "prompt": prompt, "n": n, "seed": 7, "steps": 10,
        "guidance_scale": 3.0, "width": 64, "height": 64,
    }  # fmt: skip
    return ImageJob.model_validate(fields | changes)


def drawn(requests: Sequence[GenerationRequest]) -> list[tuple[int, float]]:
    return [(request.seed, request.strength) for request in requests]
