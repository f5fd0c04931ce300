"""Edits in the walk: the given picture is judged first, harm is steered away from, and what changed
unasked is mended, never refused."""

import asyncio

import pytest

from deployments.errors import ContentBlocked, Overloaded, RequestError, StageFailed
from deployments.gateway.walk.attempts import holding
from deployments.gateway.walk.pipeline import Walk
from deployments.policy import EditPolicy, Policy
from deployments.telemetry.trace import Trace
from tests.gateway import parts

EDITS = EditPolicy(
    thresholds={"violence": 0.5},
    why={"violence": "it brings in violence"},
    tries=2,
    held={"skin": "the skin tone", "build": "the build", "hair_colour": "the hair colour"},
)
POLICY: Policy = parts.POLICY.model_copy(
    update={"output": parts.POLICY.output.model_copy(update={"edits": EDITS})}
)
SMILE = "make them smile"


def walk(classifier: parts.Classifier, diffusion=None, guard=None) -> Walk:
    return Walk(
        POLICY,
        guard or parts.Guard(),
        parts.Rewriter(),
        diffusion or parts.Diffusion(),
        classifier,
    )


def job(prompt: str = SMILE, **changes):
    return parts.job(prompt, image=parts.given(), **changes)


def new_trace() -> Trace:
    return Trace("r1", POLICY.ref)


async def test_the_given_picture_is_judged_by_itself_before_anything_is_read_or_drawn():
    guard, diffusion = parts.Guard(), parts.Diffusion()
    classifier = parts.Classifier(lambda text: text == "a portrait")
    with pytest.raises(ContentBlocked, match="picture that was given") as caught:
        await walk(classifier, diffusion, guard).generate(job(), new_trace())
    assert caught.value.moderation_stage == "input"
    assert caught.value.categories == ("violence",)
    assert (guard.asked, diffusion.asked) == ([], [])
    (question,) = classifier.asked
    assert (question.prompt, question.input) == ("", None)


async def test_the_prompt_side_knows_that_it_is_an_edit():
    operations = []

    class Noting(parts.Guard):
        async def screen(self, request):
            operations.append(request.operation)
            return await super().screen(request)

    await walk(parts.Classifier(), guard=Noting()).generate(job(), new_trace())
    assert operations == ["edit"]


async def test_the_transformation_is_judged_with_both_pictures_and_the_words():
    classifier, diffusion = parts.Classifier(), parts.Diffusion()
    outcome = await walk(classifier, diffusion).generate(job(), new_trace())
    _, question = classifier.asked
    assert question.input == parts.given()
    assert question.prompt == SMILE
    assert question.output == outcome.pictures[0].picture
    (request,) = diffusion.asked
    assert (request.image, request.mask) == (parts.given(), None)


async def test_what_changed_unasked_is_held_and_the_picture_kept_closer():
    diffusion, trace = parts.Diffusion(), new_trace()
    classifier = parts.Classifier(changes=lambda t: () if "keep" in t else ("skin", "hair_colour"))
    outcome = await walk(classifier, diffusion).generate(job(), trace)
    first, second = diffusion.asked
    assert second.prompt == f"{SMILE}, keep the skin tone and the hair colour"
    assert (second.seed, second.steer) == (first.seed, False)
    assert second.image_guidance_scale == first.image_guidance_scale + EDITS.closer
    assert outcome.pictures[0].picture == parts.picture(second)
    safety = trace.safety("delivered")
    assert [t.verdict.changed for t in safety.tries] == [("skin", "hair_colour"), ()]
    assert [s.action for s in safety.stages if s.stage == "diffusion"] == ["generate", "mend"]


async def test_the_judged_words_stay_the_user_s_own():
    classifier = parts.Classifier(changes=lambda t: () if "keep" in t else ("skin",))
    await walk(classifier).generate(job(), new_trace())
    assert {question.prompt for question in classifier.asked[1:]} == {SMILE}


async def test_when_mending_does_not_help_the_best_try_is_delivered():
    diffusion = parts.Diffusion()
    changed = {SMILE: ("skin", "build"), f"{SMILE}, keep the skin tone and the build": ("skin",)}
    classifier = parts.Classifier(changes=lambda t: changed.get(t.split("|")[0], ("skin", "build")))
    outcome = await walk(classifier, diffusion).generate(job(), new_trace())
    assert len(diffusion.asked) == 1 + EDITS.tries
    assert outcome.pictures[0].picture == parts.picture(diffusion.asked[1])


@pytest.mark.parametrize("scale", [8.6, 9.75, 10.0])
async def test_a_mend_of_a_faithful_edit_stays_within_the_scale(scale):
    diffusion = parts.Diffusion()
    classifier = parts.Classifier(changes=lambda text: ("skin",))
    await walk(classifier, diffusion).generate(job(image_guidance_scale=scale), new_trace())
    assert len(diffusion.asked) == 1 + EDITS.tries
    assert max(request.image_guidance_scale for request in diffusion.asked) == min(scale + 1, 10)


class MendFails(parts.Diffusion):
    """Draws, but fails with the given error where an instruction holds something."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def generate(self, request):
        if "keep" in request.prompt:
            raise self.error
        return await super().generate(request)


@pytest.mark.parametrize(
    "error",
    [
        RequestError("too long", code="prompt_too_long", param="prompt"),
        Overloaded("diffusion", "full"),
        StageFailed("diffusion", "died"),
        ValueError("boom"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_mend_that_fails_costs_neither_its_picture_nor_the_siblings(error):
    diffusion, trace = MendFails(error), new_trace()
    classifier = parts.Classifier(changes=lambda text: ("skin",) if "|8|" in text else ())
    outcome = await walk(classifier, diffusion).generate(job(n=3), trace)
    assert [released.index for released in outcome.pictures] == [0, 1, 2]
    safety = trace.safety("delivered")
    assert ("diffusion", "dropped") in [(s.stage, s.action) for s in safety.stages]
    assert len(safety.tries) == 3


async def test_a_mend_past_its_deadline_delivers_the_picture_before_it():
    class Stuck(MendFails):
        async def generate(self, request):
            if "keep" in request.prompt:
                await asyncio.Event().wait()
            return await super().generate(request)

    subject = Walk(
        parts.impatient("diffusion", POLICY),
        parts.Guard(),
        parts.Rewriter(),
        Stuck(ValueError()),
        parts.Classifier(changes=lambda text: ("skin",)),
    )
    outcome = await subject.generate(job(), new_trace())
    assert len(outcome.pictures) == 1


async def test_an_edit_within_a_mask_is_not_mended():
    diffusion, trace = parts.Diffusion(), new_trace()
    classifier = parts.Classifier(changes=lambda text: ("skin",))
    await walk(classifier, diffusion).generate(job(mask=parts.given("a mask")), trace)
    assert len(diffusion.asked) == 1
    assert trace.safety("delivered").tries[0].verdict.changed == ("skin",)


async def test_harm_in_an_edit_is_steered_away_from_and_refused_in_the_end():
    diffusion, trace = parts.Diffusion(), new_trace()
    subject = walk(parts.Classifier(lambda text: text.startswith(SMILE)), diffusion)
    with pytest.raises(ContentBlocked) as caught:
        await subject.generate(job(), trace)
    assert caught.value.moderation_stage == "output"
    assert parts.drawn(diffusion.asked) == [(7, 0.0), (7, 1.0), (7, 2.0)]


async def test_a_mended_edit_that_turns_harmful_never_leaves():
    diffusion = parts.Diffusion()
    classifier = parts.Classifier(lambda text: "keep" in text, changes=lambda text: ("skin",))
    outcome = await walk(classifier, diffusion).generate(job(), new_trace())
    assert outcome.pictures[0].picture == parts.picture(diffusion.asked[0])


async def test_no_head_start_on_a_picture_that_is_not_yet_classified():
    guard, diffusion = parts.Guard(undecided=[SMILE]), parts.Diffusion()
    with pytest.raises(ContentBlocked):
        await walk(parts.Classifier(lambda t: t == "a portrait"), diffusion, guard).generate(
            job(), new_trace()
        )
    assert diffusion.asked == []


def test_attributes_are_held_in_plain_words():
    assert holding("smile", (), EDITS) == "smile"
    assert holding("smile", ("skin",), EDITS) == "smile, keep the skin tone"
    assert holding("smile", ("skin", "build", "eye_colour"), EDITS) == (
        "smile, keep the skin tone, the build and the eye colour"
    )
