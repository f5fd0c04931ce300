"""Softening and making generic, on a model that answers with one given text."""

import pytest

from deployments.contracts import Change, Version
from deployments.rewriter.revise.soften import Softener
from tests.guard.parts import POLICY
from tests.rewriter.parts import OneAnswer, proposer, similarity

PROMPT = "a lazy dirty beggar sleeping on a bench in a park, oil painting"
GIVEN = Version(prompt=PROMPT)


def softener(model: OneAnswer, alike: bool = True) -> Softener:
    return Softener(proposer(model), similarity(alike), temperature=0.0, policy=POLICY)


async def test_every_differing_passage_is_disclosed():
    after = "a tired man resting on a bench in a quiet park, oil painting"
    found = await softener(OneAnswer(f" {after}\n")).soften(GIVEN, "soften", "demeaning", seed=1)
    assert found.prompt == after
    assert [(c.before, c.after) for c in found.changes] == [
        ("lazy dirty beggar sleeping", "tired man resting"),
        ("", "quiet"),
    ]
    assert {(c.kind, c.why) for c in found.changes} == {("soften", "softened, because it demeans")}


async def test_earlier_changes_stay_first():
    earlier = Change(kind="anonymise", before="John Doe", after="a beggar", why="a name")
    given = Version(prompt=PROMPT, changes=(earlier,))
    found = await softener(OneAnswer("a man")).soften(given, "soften", "demeaning", seed=1)
    assert [c.kind for c in found.changes][:2] == ["anonymise", "soften"]


@pytest.mark.parametrize(
    "text",
    [None, "", "  ", "none", "None.", "two\nlines", PROMPT, PROMPT.replace(" ", "  ")],
)
async def test_an_answer_of_no_use_is_none(text):
    assert await softener(OneAnswer(text)).soften(GIVEN, "soften", "demeaning", seed=1) is None


async def test_an_answer_that_means_something_else_is_none():
    model = OneAnswer("a tired man on a bench")
    assert await softener(model, alike=False).soften(GIVEN, "soften", "demeaning", seed=1) is None


async def test_generic_is_its_own_kind():
    found = await softener(OneAnswer("a man in a mask")).soften(GIVEN, "generic", "brands", seed=1)
    assert {c.kind for c in found.changes} == {"generic"}
    assert found.changes[0].why == "made generic, because it names a brand"


@pytest.mark.parametrize("category", ["", "a category of another policy"])
async def test_harm_of_a_kind_that_the_policy_has_not_is_told_so(category):
    found = await softener(OneAnswer("a man")).soften(GIVEN, "soften", category, seed=1)
    assert found.changes[0].why == f"softened, because {POLICY.reasons.unknown}"


async def test_a_prompt_longer_than_the_model_reads_is_not_asked():
    model = OneAnswer("a man")
    given = Version(prompt="a beggar " * 200)
    assert await softener(model).soften(given, "soften", "demeaning", seed=1) is None
    assert not model.limits


async def test_the_answer_may_grow_with_the_prompt_only():
    model = OneAnswer("a man")
    for prompt in ("a beggar", "a beggar on a long bench"):
        await softener(model).soften(Version(prompt=prompt), "soften", "demeaning", seed=1)
    assert model.limits == [2 * 1.5 + 16, 6 * 1.5 + 16]
