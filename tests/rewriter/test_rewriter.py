"""The manipulations in their order, each of them a plain object."""

import pytest

from deployments.contracts import Change, RewriteRequest
from deployments.rewriter.revise.ground import Grounder
from deployments.rewriter.revise.soften import Softener
from deployments.rewriter.revise.step_by_step import StepByStep
from deployments.rewriter.rewriter import PromptRewriter
from tests.rewriter.parts import Alike, OneAnswer, proposer

VAGUE = "show two people having fun"


class Names:
    """Takes `John Doe` out."""

    def anonymise(self, prompt: str) -> tuple[str, tuple[Change, ...]]:
        if "John Doe" not in prompt:
            return prompt, ()
        change = Change(kind="anonymise", before="John Doe", after="a person", why="a name")
        return prompt.replace("John Doe", "a person"), (change,)


class Describer:
    """Adds the number of the picture."""

    def diversify(self, prompt: str, n: int, seed: int) -> list[tuple[str, tuple[Change, ...]]]:
        change = Change(kind="diversify", before="", after="woman", why="nobody said who")
        return [(f"{prompt}, woman {i + seed}", (change,)) for i in range(n)]


def rewriter(answer: str | None) -> PromptRewriter:
    asked = proposer(OneAnswer(answer))
    reviser = StepByStep(Softener(asked, Alike(), 0.0), Grounder(asked, Alike(), 0.7))
    return PromptRewriter(Names(), reviser, Describer())


async def rewrite(prompt: str, *kinds: str, answer: str | None = None, **fields):
    request = RewriteRequest(prompt=prompt, kinds=kinds, **fields)
    return await rewriter(answer).rewrite(request)


async def test_every_picture_has_its_own_description():
    found = await rewrite("a ceo", "diversify", "anonymise", n=2, seed=5)
    assert found.safe.prompt == "a ceo"
    assert [v.prompt for v in found.pictures] == ["a ceo, woman 5", "a ceo, woman 6"]
    assert [r.action for r in found.stages] == ["diversify"]


async def test_who_was_named_is_not_described_anew():
    found = await rewrite("John Doe on a bench", "diversify", "anonymise", n=2)
    assert [v.prompt for v in found.pictures] == ["a person on a bench"] * 2
    assert [c.kind for c in found.pictures[0].changes] == ["anonymise"]


async def test_a_vague_scene_is_grounded_and_stays_out_of_the_safe_version():
    found = await rewrite(VAGUE, "ground", answer="show two people dining at a restaurant")
    assert found.safe.prompt == VAGUE
    assert found.pictures[0].prompt == "show two people dining at a restaurant"
    assert found.stages[0].action == "ground"


@pytest.mark.parametrize("answer", [None, "none", VAGUE, "show some people having a good time"])
async def test_a_vague_scene_without_a_better_answer_stays(answer):
    found = await rewrite(VAGUE, "ground", answer=answer)
    assert [v.prompt for v in found.pictures] == [VAGUE]


async def test_a_specific_scene_is_not_asked_about():
    prompt = "a lighthouse on a cliff"
    found = await rewrite(prompt, "ground", answer="a bird")
    assert found.pictures[0].prompt == prompt


async def test_what_could_not_be_softened_is_not_among_the_changes():
    found = await rewrite("a slur", "soften", "anonymise", category="demeaning", answer="none")
    assert (found.safe.prompt, found.safe.changes) == ("a slur", ())
    assert [r.action for r in found.stages] == ["unchanged"]


async def test_a_softened_prompt_is_the_base_of_what_follows():
    found = await rewrite(VAGUE, "soften", "ground", category="demeaning", answer="a man")
    assert found.safe.prompt == found.pictures[0].prompt == "a man"
    assert found.stages[0].category == "demeaning"
