"""What is made of a model's answer."""

import pytest

from deployments.rewriter.revise.proposal import changes_between, new_wording


@pytest.mark.parametrize(
    ("answer", "wording"),
    [
        ("a tired man", "a tired man"),
        ("  a tired man \n", "a tired man"),
        ("none of them", "none of them"),
        ("", None),
        (" \n ", None),
        ("none", None),
        ("None.", None),
        ("two\nlines", None),
        ("a\x00man", None),
        ("a lazy beggar", None),
        ("a  lazy\tbeggar", None),
    ],
)
def test_an_answer_is_a_wording_or_of_no_use(answer: str, wording: str | None):
    assert new_wording(answer, "a lazy beggar") == wording


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        ("a lazy beggar on a bench", []),
        ("a  lazy beggar on  a bench", []),
        ("a tired man on a bench", [("lazy beggar", "tired man")]),
        ("a beggar on a bench", [("lazy", "")]),
        ("a lazy beggar on a wooden bench", [("", "wooden")]),
        ("one lazy beggar on a chair", [("a", "one"), ("bench", "chair")]),
    ],
)
def test_each_passage_that_differs_is_one_change(after: str, changes: list[tuple[str, str]]):
    found = changes_between("a lazy beggar on a bench", after, "soften", "it demeans")
    assert [(change.before, change.after) for change in found] == changes
    assert all((change.kind, change.why) == ("soften", "it demeans") for change in found)
