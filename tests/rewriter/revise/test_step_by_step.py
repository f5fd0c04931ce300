"""One question for each kind: how many are asked, and what is made of the answers."""

import pytest

from deployments.contracts import RewriteRequest, Version
from deployments.policy import Changes
from deployments.rewriter.revise.ground import Grounder
from deployments.rewriter.revise.soften import Softener
from deployments.rewriter.revise.step_by_step import StepByStep
from tests.guard.parts import POLICY
from tests.rewriter.parts import OneAnswer, proposer, similarity

VAGUE = "show two people having fun"
DINING = "show two people dining at a restaurant"


async def revise(model: OneAnswer, prompt: str, *kinds: str):
    asked = proposer(model)
    reviser = StepByStep(
        Softener(asked, similarity(), 0.0, POLICY), Grounder(asked, similarity(), 0.7, Changes())
    )
    request = RewriteRequest(prompt="as the user wrote it", kinds=kinds, category="demeaning")
    return await reviser.revise(Version(prompt=prompt), request)


@pytest.mark.parametrize("kind", ["soften", "generic"])
async def test_what_could_not_be_softened_is_not_grounded(kind):
    model = OneAnswer("none")
    found = await revise(model, VAGUE, kind, "ground")
    assert len(model.seeds) == 1
    assert found.safe == found.specific == Version(prompt=VAGUE)


async def test_what_was_softened_is_grounded_where_it_is_still_vague():
    model = OneAnswer(VAGUE)
    found = await revise(model, "show two nasty fools having fun", "soften", "ground")
    assert len(model.seeds) == 2
    assert found.safe.prompt == VAGUE


@pytest.mark.parametrize(
    ("prompt", "kinds", "calls"),
    [
        (VAGUE, ("ground",), 1),
        (VAGUE, ("soften",), 1),
        (VAGUE, ("anonymise", "diversify"), 0),
        (DINING, ("ground",), 0),
        (DINING, ("soften", "ground"), 1),
    ],
)
async def test_each_kind_that_is_due_is_asked_once(prompt, kinds, calls):
    model = OneAnswer("show two people playing chess in a park")
    await revise(model, prompt, *kinds)
    assert len(model.seeds) == calls
