"""The walk, from prompt to released picture: order, edges, refusals, failures."""

import asyncio

import pytest

from deployments.contracts import (
    Generation,
    GenerationRequest,
    PictureVerdict,
    PolicyRef,
    Watch,
)
from deployments.errors import (
    Cancelled,
    ContentBlocked,
    Overloaded,
    RequestError,
    StageFailed,
    StageTimeout,
    Unavailable,
)
from deployments.gateway.walk.jobs import PromptJob
from deployments.gateway.walk.pipeline import Walk
from deployments.gateway.walk.release import release
from deployments.policy import Manipulations
from deployments.telemetry.trace import Trace
from tests.gateway import parts


def walk(guard=None, rewriter=None, diffusion=None, classifier=None, policy=parts.POLICY) -> Walk:
    return Walk(
        policy,
        guard or parts.Guard(),
        rewriter or parts.Rewriter(),
        diffusion or parts.Diffusion(),
        classifier or parts.Classifier(),
    )


def new_trace() -> Trace:
    return Trace("r1", parts.POLICY.ref)


async def test_an_allowed_prompt_gives_a_checked_picture():
    diffusion, classifier, trace = parts.Diffusion(), parts.Classifier(), new_trace()
    outcome = await walk(diffusion=diffusion, classifier=classifier).generate(parts.job(), trace)
    assert [p.index for p in outcome.pictures] == [0]
    assert [q.output for q in classifier.asked] == [outcome.pictures[0].picture]
    assert parts.drawn(diffusion.asked) == [(7, 0.0)]
    safety = trace.safety("delivered")
    assert [r.stage for r in safety.stages] == ["llm", "diffusion", "classifier"]
    assert safety.size == "64x64"


async def test_the_trace_names_the_policy_that_decided():
    newer = PolicyRef(name="test", version="1", hash="of newer words")
    guard = parts.Guard({"a dog": parts.ALLOW.model_copy(update={"policy": newer})})
    trace = new_trace()
    await walk(guard=guard).generate(parts.job("a dog"), trace)
    assert trace.safety("delivered").policy == newer


async def test_a_blocked_prompt_is_never_drawn():
    diffusion = parts.Diffusion()
    subject = walk(guard=parts.Guard({"a fight": parts.BLOCK}), diffusion=diffusion)
    with pytest.raises(ContentBlocked, match="violence") as caught:
        await subject.generate(parts.job("a fight"), new_trace())
    assert caught.value.moderation_stage == "input"
    assert caught.value.categories == ("violence",)
    assert diffusion.asked == []


async def test_a_flagged_picture_is_steered_from_the_same_seed():
    diffusion, trace = parts.Diffusion(), new_trace()
    classifier = parts.Classifier(lambda text: text.endswith("|0.0"))
    outcome = await walk(diffusion=diffusion, classifier=classifier).generate(parts.job(), trace)
    assert parts.drawn(diffusion.asked) == [(7, 0.0), (7, 1.0)]
    assert diffusion.asked[1].steer
    assert diffusion.asked[1].category == "violence"
    assert outcome.pictures[0].picture == parts.picture(diffusion.asked[1])
    assert [t.verdict.flagged for t in trace.safety("delivered").tries] == [True, False]


async def test_a_full_engine_refuses_before_anything_is_read():
    guard, diffusion = parts.Guard(), parts.Diffusion()
    diffusion.full = Overloaded("diffusion", "the queue is full", 42.0)
    with pytest.raises(Overloaded) as refusal:
        await walk(guard=guard, diffusion=diffusion).generate(parts.job(), new_trace())
    assert refusal.value.retry_after == 42.0
    assert guard.asked == []


async def test_what_was_let_in_is_drawn_and_drawn_again_whatever_the_load():
    diffusion = parts.Diffusion()
    subject = walk(diffusion=diffusion, classifier=parts.Classifier(lambda t: t.endswith("|0.0")))
    await subject.generate(parts.job(), new_trace())
    assert [request.let_in for request in diffusion.asked] == [True, True]


async def test_a_turn_in_mid_flight_is_told_in_the_trace():
    class Turning(parts.Diffusion):
        async def generate(self, request: GenerationRequest) -> Generation:
            drawn = await super().generate(request)
            told = {"turned_at_step": 4, "turned_for": "violence", "score_before": 0.9}
            return drawn.model_copy(update=told)

    watch = Watch(check_points=(0.4,), thresholds={"violence": 0.8}, strength=2.0)
    output = parts.POLICY.output.model_copy(update={"watch": watch})
    policy = parts.POLICY.model_copy(update={"output": output})
    trace = new_trace()
    await walk(diffusion=Turning(), policy=policy).generate(parts.job(), trace)
    safety = trace.safety("delivered")
    (drawn,) = [stage for stage in safety.stages if stage.stage == "diffusion"]
    assert (drawn.action, drawn.category, drawn.score) == ("turn", "violence", 0.9)
    assert (safety.tries[0].steer, safety.tries[0].strength) == (True, 2.0)


async def test_tries_are_bounded_and_their_strength_rises():
    diffusion, trace = parts.Diffusion(), new_trace()
    subject = walk(diffusion=diffusion, classifier=parts.Classifier(lambda text: True))
    with pytest.raises(ContentBlocked, match="3 tries") as caught:
        await subject.generate(parts.job(), trace)
    assert parts.drawn(diffusion.asked) == [(7, 0.0), (7, 1.0), (7, 2.0)]
    assert caught.value.moderation_stage == "output"
    assert trace.safety("refused").refused == (0,)


async def test_a_steer_verdict_steers_from_the_first_try():
    diffusion = parts.Diffusion()
    subject = walk(guard=parts.Guard({"a warrior": parts.STEER}), diffusion=diffusion)
    await subject.generate(parts.job("a warrior"), new_trace())
    assert parts.drawn(diffusion.asked) == [(7, 1.0)]


async def test_a_steered_try_is_not_repeated_at_the_same_strength():
    diffusion = parts.Diffusion()
    subject = walk(
        guard=parts.Guard({"a warrior": parts.STEER}),
        diffusion=diffusion,
        classifier=parts.Classifier(lambda text: True),
    )
    with pytest.raises(ContentBlocked):
        await subject.generate(parts.job("a warrior"), new_trace())
    assert parts.drawn(diffusion.asked) == [(7, 1.0), (7, 2.0)]


async def test_several_pictures_use_rising_seeds_and_name_the_refused():
    diffusion, trace = parts.Diffusion(), new_trace()
    classifier = parts.Classifier(lambda text: "|8|" in text)
    subject = walk(diffusion=diffusion, classifier=classifier)
    outcome = await subject.generate(parts.job(n=3), trace)
    assert [p.index for p in outcome.pictures] == [0, 2]
    assert trace.safety("delivered").refused == (1,)
    assert {seed for seed, _ in parts.drawn(diffusion.asked)} == {7, 8, 9}


async def test_a_softened_prompt_is_guarded_again_and_disclosed():
    guard, diffusion = parts.Guard({"a lazy man": parts.SOFTEN}), parts.Diffusion()
    subject = walk(guard=guard, diffusion=diffusion)
    outcome = await subject.generate(parts.job("a lazy man"), new_trace())
    assert guard.asked == ["a lazy man", "a person relaxing"]
    assert outcome.prompts == (diffusion.asked[0].prompt,) == ("a person relaxing",)
    assert [c.kind for c in outcome.changes[0]] == ["soften"]


async def test_the_classifier_sees_the_users_own_words():
    classifier = parts.Classifier()
    subject = walk(guard=parts.Guard({"a lazy man": parts.SOFTEN}), classifier=classifier)
    await subject.generate(parts.job("a lazy man"), new_trace())
    assert classifier.asked[0].prompt == "a lazy man"


@pytest.mark.parametrize("again", [parts.BLOCK, parts.SOFTEN], ids=["block", "rewrite"])
async def test_a_rewrite_that_the_guard_does_not_pass_is_a_block(again):
    guard = parts.Guard({"a lazy man": parts.SOFTEN, "a person relaxing": again})
    with pytest.raises(ContentBlocked):
        await walk(guard=guard).generate(parts.job("a lazy man"), new_trace())
    assert guard.asked == ["a lazy man", "a person relaxing"]


async def test_a_prompt_without_a_benign_core_is_a_block():
    subject = walk(guard=parts.Guard({"x": parts.SOFTEN}), rewriter=parts.Rewriter(None))
    with pytest.raises(ContentBlocked):
        await subject.generate(parts.job("x"), new_trace())


async def test_rewrite_off_turns_soften_into_block():
    rewriter = parts.Rewriter()
    subject = walk(guard=parts.Guard({"x": parts.SOFTEN}), rewriter=rewriter)
    with pytest.raises(ContentBlocked):
        await subject.generate(parts.job("x", rewrite=False), new_trace())
    assert rewriter.asked == []


async def test_rewrite_off_only_skips_ground():
    diffusion = parts.Diffusion()
    subject = walk(guard=parts.Guard({"x": parts.GROUND}), diffusion=diffusion)
    outcome = await subject.generate(parts.job("x", rewrite=False), new_trace())
    assert outcome.prompts == (diffusion.asked[0].prompt,) == ("x",)
    assert outcome.changes == ((),)


# What the policy orders for every prompt: private persons out, people described.

STANDING = parts.POLICY.model_copy(
    update={
        "manipulations": Manipulations(
            ground=False, diversify={"groups": {"asian": 1}, "genders": {"woman": 1},
                                     "skin_tones": {"olive": 1}},
        )
    }
)  # fmt: skip


async def test_each_picture_has_its_own_description_and_the_guard_reads_each_once():
    guard, diffusion = parts.Guard(), parts.Diffusion()
    rewriter = parts.Rewriter(None, shown=["a ceo, a woman", "a ceo, a man", "a ceo, a woman"])
    subject = walk(guard=guard, rewriter=rewriter, diffusion=diffusion, policy=STANDING)
    outcome = await subject.generate(parts.job("a ceo", n=3), new_trace())
    assert outcome.prompts == ("a ceo, a woman", "a ceo, a man", "a ceo, a woman")
    assert sorted(guard.asked) == ["a ceo", "a ceo, a man", "a ceo, a woman"]
    assert {(q.seed, q.prompt) for q in diffusion.asked} == set(
        zip((7, 8, 9), outcome.prompts, strict=True)
    )
    assert rewriter.asked[0].kinds == ("anonymise", "diversify")


async def test_an_improvement_that_the_guard_does_not_pass_is_dropped():
    guard = parts.Guard({"a ceo, a woman": parts.BLOCK})
    rewriter = parts.Rewriter(None, shown=["a ceo, a woman"])
    subject = walk(guard=guard, rewriter=rewriter, policy=STANDING)
    outcome = await subject.generate(parts.job("a ceo"), new_trace())
    assert (outcome.prompts, outcome.changes) == (("a ceo",), ((),))


async def test_a_dropped_proposal_is_told_apart_from_the_prompt_in_the_trace():
    guard = parts.Guard({"a ceo, a woman": parts.BLOCK})
    rewriter, trace = parts.Rewriter(None, shown=["a ceo, a woman"]), new_trace()
    await walk(guard=guard, rewriter=rewriter, policy=STANDING).generate(parts.job("a ceo"), trace)
    told = [(s.stage, s.action, s.about) for s in trace.safety("delivered").stages]
    assert told[:3] == [
        ("llm", "allow", "prompt"),
        ("llm", "block", "proposal"),
        ("rewriter", "dropped", "proposal"),
    ]


async def test_our_own_description_is_no_stereotype():
    guard = parts.Guard({"a thief, olive skin tone": parts.SOFTEN})
    rewriter = parts.Rewriter(None, shown=["a thief, olive skin tone"])
    subject = walk(guard=guard, rewriter=rewriter, policy=STANDING)
    outcome = await subject.generate(parts.job("a thief"), new_trace())
    assert outcome.prompts == ("a thief, olive skin tone",)


async def test_where_improving_fails_the_safe_version_stays():
    guard = parts.Guard({"a person, a woman": parts.BLOCK})
    rewriter = parts.Rewriter("a person", shown=["a person, a woman"])
    subject = walk(guard=guard, rewriter=rewriter, policy=STANDING)
    outcome = await subject.generate(parts.job("Jane Doe"), new_trace())
    assert outcome.prompts == ("a person",)
    assert [c.kind for c in outcome.changes[0]] == ["anonymise"]


async def test_what_was_taken_out_does_not_come_back_by_way_of_improving():
    guard, diffusion = parts.Guard({"a lazy man": parts.SOFTEN}), parts.Diffusion()
    rewriter = parts.Rewriter("a person", shown=["a lazy man"])
    outcome = await walk(guard=guard, rewriter=rewriter, diffusion=diffusion).generate(
        parts.job("a lazy man"), new_trace()
    )
    assert outcome.prompts == (diffusion.asked[0].prompt,) == ("a person",)


async def test_a_private_person_is_refused_where_rewriting_is_off():
    subject = walk(rewriter=parts.Rewriter("a person"), policy=STANDING)
    with pytest.raises(ContentBlocked, match="anonymise was due"):
        await subject.generate(parts.job("Jane Doe", rewrite=False), new_trace())


async def test_an_edit_is_not_described_further():
    rewriter = parts.Rewriter(None)
    job = PromptJob(prompt="make it red", seed=7, operation="edit")
    await walk(rewriter=rewriter, policy=STANDING).preview(job, new_trace())
    assert rewriter.asked[0].kinds == ("anonymise",)


async def test_a_described_prompt_that_scores_between_is_steered():
    guard, diffusion = parts.Guard({"a ceo, a woman": parts.STEER}), parts.Diffusion()
    rewriter = parts.Rewriter(None, shown=["a ceo, a woman"])
    subject = walk(guard=guard, rewriter=rewriter, diffusion=diffusion, policy=STANDING)
    await subject.generate(parts.job("a ceo"), new_trace())
    assert diffusion.asked[0].steer


async def test_preview_answers_for_a_block_without_raising():
    job = PromptJob(prompt="x", seed=7)
    preview = await walk(guard=parts.Guard({"x": parts.BLOCK})).preview(job, new_trace())
    assert (preview.action, preview.prompt, preview.changes) == ("block", "x", ())


# No error path lets unchecked content through: stage by fault, one assertion.

FAULTS = {
    "raises": lambda stage: parts.Broken(ValueError("boom")),
    "slow": lambda stage: parts.Slow(),
    "unavailable": lambda stage: parts.Broken(StageFailed(stage, "died")),
    "overloaded": lambda stage: parts.Broken(Overloaded(stage, "full")),
    "cancelled inside": lambda stage: parts.Broken(Cancelled("stopped")),
}
STAGES = ("guard", "rewriter", "diffusion", "classifier")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", STAGES)
async def test_a_faulty_stage_gives_no_picture_and_is_named(stage, fault):
    services = {"guard": parts.Guard({"a dog": parts.SOFTEN})} | {stage: FAULTS[fault](stage)}
    policy = parts.impatient(stage) if fault == "slow" else parts.POLICY
    trace = new_trace()
    with pytest.raises(Unavailable) as caught:
        await walk(**services, policy=policy).generate(parts.job(), trace)
    assert caught.value.stage == stage
    last = trace.safety("unavailable").stages[-1]
    assert (last.stage, last.action) == (stage, "unavailable")


@pytest.mark.parametrize("stage", STAGES)
async def test_a_stage_past_its_deadline_is_cancelled(stage):
    slow = parts.Slow()
    services = {"guard": parts.Guard({"a dog": parts.SOFTEN})} | {stage: slow}
    with pytest.raises(StageTimeout):
        await walk(**services, policy=parts.impatient(stage)).generate(parts.job(), new_trace())
    assert slow.cancelled == slow.started == 1


async def test_a_failed_sibling_cancels_the_other_pictures():
    class FirstFails(parts.Slow):
        async def generate(self, request):
            if request.seed == 7:
                raise StageFailed("diffusion", "died")
            await self._wait(request)

    diffusion = FirstFails()
    with pytest.raises(StageFailed):
        await walk(diffusion=diffusion).generate(parts.job(n=4), new_trace())
    assert diffusion.cancelled == diffusion.started


async def test_a_hang_up_cancels_the_work_of_every_picture():
    slow = parts.Slow()
    task = asyncio.create_task(walk(diffusion=slow).generate(parts.job(n=3), new_trace()))
    await slow.reached(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.cancelled == 3


async def test_a_malformed_request_found_by_a_stage_stays_a_request_error():
    error = RequestError("too long", code="prompt_too_long", param="prompt")
    with pytest.raises(RequestError):
        await walk(diffusion=parts.Broken(error)).generate(parts.job(), new_trace())


async def test_a_verdict_on_other_pixels_releases_nothing():
    class Confused(parts.Classifier):
        async def judge(self, request):
            return (await super().judge(request)).model_copy(update={"sha256": "0" * 64})

    with pytest.raises(StageFailed):
        await walk(classifier=Confused()).generate(parts.job(), new_trace())


def test_release_refuses_a_flagged_picture():
    picture = parts.picture(_request())
    verdict = PictureVerdict(
        flagged=True, category="violence", score=0.9, scores={}, why="", sha256=picture.sha256
    )
    with pytest.raises(StageFailed):
        release(0, picture, verdict)


def _request():
    from deployments.contracts import GenerationRequest

    return GenerationRequest(
        request_id="r", prompt="p", seed=1, steps=1, guidance_scale=1, width=64, height=64
    )
