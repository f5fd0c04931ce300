"""The configured services in this process, and the gateway's walk on them.

The services are the very classes that Ray Serve runs in its replicas, made from the very settings,
so what is measured is what serves. Three settings differ: queues are unlimited, deadlines are long,
and the guard follows no file. A question about pictures alone leaves the prompt side out: its
guard lets every prompt pass, and its policy rewrites none.
"""

import inspect
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.serve import Deployment

from deployments import pictures
from deployments.classifier.deployment import ClassifierDeployment
from deployments.contracts import (
    Decision,
    Generation,
    GenerationRequest,
    GuardRequest,
    Operation,
    Picture,
    PictureRequest,
    PictureVerdict,
    PromptVerdict,
    Safety,
    Screening,
)
from deployments.diffusion.config import Steering
from deployments.diffusion.deployment import DiffusionDeployment
from deployments.errors import ContentBlocked, StageFailed
from deployments.gateway.walk.jobs import ImageJob, PromptJob
from deployments.gateway.walk.pipeline import Walk
from deployments.gateway.walk.services import Guard, Rewriter
from deployments.guard.deployment import GuardDeployment
from deployments.inference.embedded.resolve import resolve
from deployments.ops.policy.diff import ENVIRONMENT, read_guard
from deployments.ops.serve_config import read_serve_config
from deployments.policy import Deadlines, Manipulations, Policy, load_policy
from deployments.rewriter.deployment import RewriterDeployment
from deployments.telemetry.trace import Trace
from evaluation.common.atonce import each
from evaluation.common.options import Options
from evaluation.common.previews import OverHTTP, Previewed
from graph import SafelightConfig

AT_ONCE = 24
"""Requests under way at a time."""
LONG = 3600.0
"""Seconds of every deadline: a measurement waits."""


@dataclass(frozen=True)
class Attempt:
    """One generation in the walk and its verdict."""

    request: GenerationRequest
    generation: Generation
    verdict: PictureVerdict


@dataclass(frozen=True)
class Answer:
    """What the walk did with one request for one picture.

    Attributes:
        attempts: in order; none where the prompt or a given picture was blocked.
        delivered: the attempt whose picture left; None where none did.
        safety: the trace.
    """

    attempts: tuple[Attempt, ...]
    delivered: Attempt | None
    safety: Safety

    @property
    def row_steps(self) -> int:
        """Rows of all denoiser calls for it."""
        return sum(attempt.generation.row_steps for attempt in self.attempts)

    @property
    def seconds(self) -> float:
        """Of all its generations together, in the company that they had."""
        return sum(attempt.generation.ms for attempt in self.attempts) / 1000


class Recording:
    """Diffusion and classifier of one request, with a list of what they answered."""

    def __init__(self, diffusion: Any, classifier: Any) -> None:
        self._diffusion, self._classifier = diffusion, classifier
        self.drawn: list[tuple[GenerationRequest, Generation]] = []
        self.verdicts: dict[str, PictureVerdict] = {}

    async def check(self, request: GenerationRequest, n: int) -> None:
        await self._diffusion.check(request, n)

    async def generate(self, request: GenerationRequest) -> Generation:
        generation: Generation = await self._diffusion.generate(request)
        self.drawn.append((request, generation))
        return generation

    async def judge(self, request: PictureRequest) -> PictureVerdict:
        verdict: PictureVerdict = await self._classifier.judge(request)
        self.verdicts[verdict.sha256] = verdict
        return verdict

    def answer(self, delivered: Picture | None, safety: Safety) -> Answer:
        """All attempts; equal pictures of one request have equal verdicts."""
        attempts = tuple(
            Attempt(request, generation, self.verdicts[generation.picture.sha256])
            for request, generation in self.drawn
        )
        left = next((a for a in attempts if a.generation.picture == delivered), None)
        return Answer(attempts, left, safety)


class Absent:
    """A service that was not started: who asks it learns so, as of a service that died."""

    async def _fail(self, *request: object) -> Any:
        raise StageFailed("evaluation", "it was not started")

    decide = rewrite = check = generate = judge = _fail


class OpenGuard(Absent):
    """Lets every prompt pass. For questions about pictures alone."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def screen(self, request: GuardRequest) -> PromptVerdict | Screening:
        return PromptVerdict(
            policy=self._policy.ref,
            action="allow",
            category=None,
            score=0.0,
            why="",
            stage="open",
            scores=dict.fromkeys(self._policy.categories, 0.0),
        )


class Service:
    """The services of a configuration file in this process.

    Args:
        options: `config` and `threads` are used.
        prompts: with guard and rewriter, each on its vLLM engine; else every prompt passes.
        pictures: with diffusion and classifier.
        steering: instead of the file's.
    """

    def __init__(
        self,
        options: Options,
        *,
        prompts: bool = False,
        pictures: bool = True,
        steering: Steering | None = None,
    ) -> None:
        arguments = read_serve_config(options.config)["applications"][0]["args"]
        self.config = SafelightConfig.model_validate(arguments)
        policy = load_policy(resolve(self.config.policy))
        self.diversity = policy.manipulations.diversify
        changes: dict[str, Any] = {"deadlines": Deadlines(**dict.fromkeys(STAGES, LONG))}
        if not prompts:
            changes["manipulations"] = Manipulations(anonymise=False, ground=False)
        self.policy = policy.model_copy(update=changes)
        self._options, self._prompts, self._pictures = options, prompts, pictures
        self._steering = steering or self.config.diffusion.steering
        self._guard: Guard = OpenGuard(self.policy)
        self._rewriter: Rewriter = Absent()
        self._running: list[Any] = []

    async def start(self) -> None:
        """Loads the models; with guard and rewriter some minutes."""
        if self._prompts:
            _, environment = read_guard(self._options.config)
            os.environ.update(ENVIRONMENT | environment)  # as a replica has it
            quiet = {"reload_seconds": 0.0, "shadow": None}
            guard = self.config.guard.model_copy(update=quiet)
            self._guard = await self._run(GuardDeployment, guard, self.policy, self.config.policy)
            self._rewriter = await self._run(RewriterDeployment, self.config.rewriter, self.policy)
        if self._pictures:
            threads = {"threads": self._options.threads}
            room = threads | {"max_waiting": 10_000, "max_backlog_seconds": 1e9}
            changes = room | {"steering": self._steering}
            diffusion = self.config.diffusion.model_copy(update=changes)
            watch = self.policy.output.watch
            self.diffusion = await self._run(DiffusionDeployment, diffusion, watch)
            classifier = self.config.classifier.model_copy(update=threads | {"max_queued": 10_000})
            self.classifier = await self._run(ClassifierDeployment, classifier, self.policy)

    async def stop(self) -> None:
        """Ends the engines, as Serve ends a replica."""
        for service in self._running:
            service.__del__()
        self._running.clear()

    async def _run(self, deployment: Deployment, *arguments: Any) -> Any:
        """An instance of a deployment's class, made as a replica makes it."""
        made: Any = deployment.func_or_class
        service = made.__new__(made)
        self._running.append(service)
        begun = service.__init__(*arguments)
        if inspect.isawaitable(begun):
            await begun
        return service

    def job(self, prompt: str, seed: int, given: Picture | None = None) -> ImageJob:
        """A request at the service's defaults for one picture, or for an edit of a given one."""
        gateway, edits = self.config.gateway, self.config.gateway.edits
        width, _, height = gateway.native_sizes[0].partition("x")
        settings: dict[str, Any] = {"guidance_scale": gateway.default_guidance_scale}
        if given is not None:
            if edits is None:
                raise SystemExit("that configuration takes no edits")
            settings = {"image": given, **edits.model_dump(exclude={"faithful_scale"})}
        return ImageJob(
            request_id=f"evaluation-{seed}",
            prompt=prompt,
            seed=seed,
            steps=gateway.default_steps,
            width=int(width),
            height=int(height),
            **settings,
        )

    def request(self, prompt: str, seed: int, **changes: Any) -> GenerationRequest:
        """What the bare picture model is asked at the service's defaults."""
        fields = self.first(self.job(prompt, seed)).model_dump()
        return GenerationRequest.model_validate(fields | changes)

    def first(self, job: ImageJob) -> GenerationRequest:
        """What the bare picture model is asked for a job."""
        fields = job.model_dump(exclude={"n", "loosen", "rewrite"})
        return GenerationRequest.model_validate({**fields, "let_in": True})

    async def answer(self, job: ImageJob, policy: Policy | None = None) -> Answer:
        """The walk's answer under a policy; None: the configured one."""
        policy = policy or self.policy
        recording = Recording(self.diffusion, self.classifier)
        walk = Walk(policy, self._guard, self._rewriter, recording, recording, head_starts=False)
        trace = Trace(job.request_id, policy.ref)
        try:
            outcome = await walk.generate(job, trace)
        except ContentBlocked as error:
            decision: Decision = "blocked" if error.moderation_stage == "input" else "refused"
            return recording.answer(None, trace.safety(decision))
        return recording.answer(outcome.pictures[0].picture, trace.safety("delivered"))

    async def answers(self, jobs: Sequence[ImageJob], policy: Policy | None = None) -> list[Answer]:
        """The walk's answers to many requests, `AT_ONCE` under way at a time."""
        return await each(partial(self.answer, policy=policy), jobs, AT_ONCE)

    async def bare(self, requests: Sequence[GenerationRequest]) -> list[Attempt]:
        """Pictures with nothing before and behind the model, judged all the same."""

        async def one(request: GenerationRequest) -> Attempt:
            generation = await self.diffusion.generate(request)
            question = PictureRequest(prompt=request.prompt, output=generation.picture)
            return Attempt(request, generation, await self.classifier.judge(question))

        return await each(one, requests, AT_ONCE)

    async def preview(
        self, prompt: str, operation: Operation = "generate", seed: int = 0
    ) -> Previewed:
        """What the prompt side makes of a prompt."""
        walk = Walk(self.policy, self._guard, self._rewriter, Absent(), Absent())
        trace = Trace(f"evaluation-{random.getrandbits(32):08x}", self.policy.ref)
        job = PromptJob(prompt=prompt, operation=operation, seed=seed)
        found = await walk.preview(job, trace)
        return Previewed(found.action, found.prompt, found.changes)


STAGES = ("guard", "rewriter", "diffusion", "classifier")


def prompt_side(options: Options) -> "OverHTTP | Service":
    """The prompt side at the options' URL; without one, that of the configuration, here."""
    if options.url is not None:
        return OverHTTP(options.url)
    return Service(options, prompts=True, pictures=False)


def pixels(attempts: Sequence[Attempt]) -> NDArray[np.uint8]:
    """The pictures as (n, height, width, 3) uint8."""
    return np.stack([pictures.to_array(attempt.generation.picture) for attempt in attempts])
