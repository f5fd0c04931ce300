"""The manipulations one after the other, each of them the real one; only the model is scripted."""

import pytest

from deployments.contracts import RewriteRequest
from deployments.errors import StageFailed
from deployments.policy import Changes, Diversity, Kinds
from deployments.rewriter.diversify.diversifier import Diversifier
from deployments.rewriter.revise.ground import Grounder
from deployments.rewriter.revise.soften import Softener
from deployments.rewriter.revise.step_by_step import StepByStep
from deployments.rewriter.rewriter import PromptRewriter
from tests.guard.parts import POLICY
from tests.rewriter.parts import THREAD, OneAnswer, anonymiser, proposer, similarity

VAGUE = "show two people having fun"
DIVERSITY = Diversity(
    groups={"asian": 1, "black": 1}, genders={"woman": 1}, skin_tones={"olive": 1}
)


def reviser(answer: str | None = None) -> StepByStep:
    asked = proposer(OneAnswer(answer))
    return StepByStep(
        Softener(asked, similarity(), 0.0, POLICY), Grounder(asked, similarity(), 0.7, Changes())
    )


def rewriter(answer: str | None) -> PromptRewriter:
    diversifier = Diversifier(DIVERSITY, Changes())
    return PromptRewriter(anonymiser(), reviser(answer), diversifier, THREAD, Kinds())


async def rewrite(prompt: str, *kinds: str, answer: str | None = None, **fields):
    request = RewriteRequest(prompt=prompt, kinds=kinds, **fields)
    return await rewriter(answer).rewrite(request)


async def test_every_picture_has_its_own_description():
    found = await rewrite("a ceo", "diversify", "anonymise", n=2, seed=5)
    assert found.safe.prompt == "a ceo"
    pictures = sorted(version.prompt for version in found.pictures)
    assert pictures == ["a ceo, asian woman", "a ceo, black woman"]
    assert [r.action for r in found.stages] == ["diversify"]


async def test_who_was_named_is_not_described_anew():
    found = await rewrite("John Doe waiting for a man at home", "diversify", "anonymise", n=2)
    assert [v.prompt for v in found.pictures] == ["A person waiting for a man at home"] * 2
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


async def test_a_rewriter_without_an_anonymiser_lets_no_name_pass():
    without = PromptRewriter(None, reviser(), None, THREAD, Kinds())
    request = RewriteRequest(prompt="John Doe at home", kinds=("anonymise",))
    with pytest.raises(StageFailed, match="never anonymises"):
        await without.rewrite(request)
