"""Denoising that begins while the guard's language model still decides."""

import asyncio

import pytest

from deployments.contracts import Generation, GenerationRequest
from deployments.errors import ContentBlocked, StageFailed
from deployments.gateway.walk.jobs import Outcome
from deployments.gateway.walk.pipeline import Walk
from deployments.policy import Manipulations
from deployments.telemetry.trace import Trace
from tests.gateway import parts

PROMPT = "a dog"
DIVERSE = parts.POLICY.model_copy(
    update={
        "manipulations": Manipulations.model_validate(
            {
                "anonymise": False,
                "ground": False,
                "diversify": {
                    "groups": {"asian": 1},
                    "genders": {"woman": 1},
                    "skin_tones": {"olive": 1},
                },
            }
        )
    }
)


class Diffusion(parts.Diffusion):
    """Says when it has drawn, and waits for leave to answer where it is told to."""

    def __init__(self, *, held: bool = False) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self._news = asyncio.Condition()
        self.leave = asyncio.Event()
        if not held:
            self.leave.set()

    async def generate(self, request: GenerationRequest) -> Generation:
        generation = await super().generate(request)
        self.begun.set()
        async with self._news:
            self._news.notify_all()
        try:
            await self.leave.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return generation

    async def asked_for(self, count: int) -> None:
        """Returns as soon as so many generations were asked for."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.asked) >= count)


class Run:
    """One request through the walk, whose guard decides when it is told to."""

    def __init__(self, guard: parts.Guard, diffusion: Diffusion, **walk: object) -> None:
        self.trace = Trace("r1", parts.POLICY.ref)
        self.guard, self.diffusion = guard, diffusion
        self._walk = Walk(
            walk.pop("policy", parts.POLICY),
            guard,
            walk.pop("rewriter", parts.Rewriter()),
            diffusion,
            parts.Classifier(),
            **walk,
        )

    def start(self, **job: object) -> asyncio.Task[Outcome]:
        return asyncio.create_task(self._walk.generate(parts.job(PROMPT, **job), self.trace))

    def stages(self) -> list[tuple[str, str]]:
        return [(s.stage, s.action) for s in self.trace.safety("delivered").stages]


async def idle() -> None:
    """Lets every task of these plain objects go on until all of them wait."""
    for _ in range(50):
        await asyncio.sleep(0)


def undecided(verdict=parts.ALLOW) -> parts.Guard:
    return parts.Guard({PROMPT: verdict}, undecided=[PROMPT])


async def test_the_picture_is_begun_before_the_verdict_and_leaves_after_it():
    run = Run(undecided(), Diffusion())
    task = run.start(n=2)
    await run.diffusion.begun.wait()
    await idle()
    assert not task.done()  # drawn, but nobody has admitted the prompt
    run.guard.decided.set()
    outcome = await task
    assert [p.index for p in outcome.pictures] == [0, 1]
    assert parts.drawn(run.diffusion.asked) == [(7, 0.0), (8, 0.0)]  # each once
    assert [s for s in run.stages() if s[0] == "diffusion"] == [("diffusion", "generate")] * 2
    assert "while the guard decided" in run.trace.safety("delivered").stages[-2].why


async def test_a_block_calls_the_rows_off():
    run = Run(undecided(parts.BLOCK), Diffusion(held=True))
    task = run.start()
    await run.diffusion.begun.wait()
    run.guard.decided.set()
    with pytest.raises(ContentBlocked):
        await task
    await asyncio.sleep(0)
    assert run.diffusion.cancelled == 1
    assert run.stages()[-1] == ("diffusion", "dropped")


async def test_a_prompt_that_needs_no_model_has_no_head_start():
    run = Run(parts.Guard(), Diffusion())
    await run.start()
    assert not run.trace.safety("delivered").stages[1].why
    assert len(run.diffusion.asked) == 1


async def test_it_begins_from_the_text_as_the_rewriters_without_a_model_leave_it():
    rewriter = parts.Rewriter(shown=["a dog, walked by an asian woman"])
    run = Run(undecided(), Diffusion(), policy=DIVERSE, rewriter=rewriter)
    task = run.start()
    await run.diffusion.begun.wait()
    assert rewriter.asked[0].kinds == ("diversify",)
    run.guard.decided.set()
    outcome = await task
    assert outcome.prompts == ("a dog, walked by an asian woman",)
    assert [request.prompt for request in run.diffusion.asked] == list(outcome.prompts)


async def test_an_edit_is_begun_with_the_instruction_that_will_be_drawn():
    rewriter = parts.Rewriter(shown=["a dog, walked by an asian woman"])
    run = Run(undecided(), Diffusion(), policy=DIVERSE, rewriter=rewriter)
    task = run.start(image=parts.given())
    await run.diffusion.begun.wait()
    run.guard.decided.set()
    await task
    assert rewriter.asked == []  # an edit is not described further
    assert [request.prompt for request in run.diffusion.asked] == [PROMPT]  # begun, and kept


@pytest.mark.parametrize("verdict", [parts.SOFTEN, parts.STEER], ids=["softened", "steered"])
async def test_what_is_ordered_otherwise_is_drawn_anew(verdict):
    diffusion = Diffusion(held=True)
    run = Run(undecided(verdict), diffusion)
    task = run.start()
    await diffusion.begun.wait()
    run.guard.decided.set()
    await diffusion.asked_for(2)
    diffusion.leave.set()
    outcome = await task
    assert len(diffusion.asked) == 2
    assert diffusion.cancelled == 1
    assert outcome.pictures[0].picture == parts.picture(diffusion.asked[1])
    assert ("diffusion", "dropped") in run.stages()


async def test_a_rewritten_prompt_is_begun_while_the_model_reads_it_again():
    text = "a person relaxing"
    guard = parts.Guard({PROMPT: parts.SOFTEN}, undecided=[text])
    run = Run(guard, Diffusion())
    task = run.start()
    await run.diffusion.begun.wait()
    assert not task.done()
    guard.decided.set()
    assert (await task).prompts == (text,)
    assert len(run.diffusion.asked) == 1


async def test_it_can_be_switched_off():
    run = Run(undecided(), Diffusion(), head_starts=False)
    task = run.start()
    await idle()
    assert run.diffusion.asked == []
    run.guard.decided.set()
    await task


async def test_a_hang_up_calls_off_what_was_begun():
    run = Run(undecided(), Diffusion(held=True))
    task = run.start(n=3)
    await run.diffusion.asked_for(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert run.diffusion.cancelled == 3


async def test_a_rewriter_that_fails_early_only_costs_the_head_start():
    rewriter = parts.Broken(StageFailed("rewriter", "it broke"))
    run = Run(undecided(parts.BLOCK), Diffusion(), policy=DIVERSE, rewriter=rewriter)
    task = run.start()
    await idle()
    run.guard.decided.set()
    with pytest.raises(ContentBlocked):
        await task
    assert run.diffusion.asked == []
