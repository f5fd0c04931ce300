"""The reasons that no category has: their defaults, and the placeholders that each must have."""

import pytest
from pydantic import ValidationError

from deployments.paths import ROOT
from deployments.policy import Changes, EditPolicy, Kinds, Reasons, load_policy
from deployments.policy.loading import read_policy
from tests.policy.parts import GOOD, write

PLACEHOLDER = dict.fromkeys(("soften", "generic"), "{why}") | dict.fromkeys(
    ("diversify", "negative"), "{noun}"
)


def test_the_defaults_are_valid_themselves():
    assert Reasons.model_validate(Reasons().model_dump()) == Reasons()


@pytest.mark.parametrize("reason", Changes.model_fields)
def test_a_reason_without_its_placeholder_or_with_another_is_refused(reason):
    right = f"so it is {PLACEHOLDER.get(reason, '')}"
    Changes.model_validate({reason: right})
    for wrong in (f"{right} {{name}}", f"{right} {{}}", f"{right} {{", f"{right} }}"):
        with pytest.raises(ValidationError, match=rf"{reason}\n.*braces"):
            Changes.model_validate({reason: wrong})
    if reason in PLACEHOLDER:
        for wrong in ("so it is", f"{right} {right}", right.replace("}", "!r}")):
            with pytest.raises(ValidationError, match=rf"must have {PLACEHOLDER[reason]} in it"):
                Changes.model_validate({reason: wrong})


@pytest.mark.parametrize("kind", Kinds.model_fields)
@pytest.mark.parametrize("name", ["why", "noun", "before"])
def test_nothing_of_a_prompt_can_be_put_into_what_the_audit_log_keeps(kind, name):
    with pytest.raises(ValidationError, match="must have no braces"):
        Kinds.model_validate({kind: f"rewritten: {{{name}}}"})


@pytest.mark.parametrize("wording", ["{instruction}", "{instruction}, {attributes} {", "keep {x}"])
def test_the_wording_of_a_mend_has_both_of_its_placeholders(wording):
    with pytest.raises(ValidationError, match="each once, and no other braces"):
        EditPolicy(thresholds={"hate": 0.5}, why={"hate": "it hates"}, holding=wording)


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ("  changes:\n    soften: made kinder", "3: `reasons.changes.soften`: must have {why} in"),
        ("  changes:\n    ground: '{noun}'", "3: `reasons.changes.ground`: must have no braces"),
        ("  kinds:\n    soften: '{why}'", "3: `reasons.kinds.soften`: must have no braces in it"),
        ("  changes:\n    names: x", "3: unknown key `reasons.changes.names`; "),
        ("  changes:\n    person: x", "3: `reasons.changes.person` should have at least 3"),
    ],
)
def test_a_mistake_in_a_reason_is_named_with_its_line(tmp_path, reasons, expected):
    path = write(tmp_path, f"reasons:\n{reasons}\n{GOOD}")
    (mistake,) = read_policy(path).mistakes
    assert str(mistake).startswith(f"{path}:{expected}")


def test_a_policy_inherits_the_reasons_that_it_does_not_word_itself(tmp_path):
    base = "reasons: {changes: {soften: 'kinder: {why}', ground: clearer}}\n"
    write(tmp_path, base + GOOD, "base.yaml")
    child = "extends: base.yaml\nname: child\nreasons: {changes: {ground: more vivid}}\n"
    changes = load_policy(write(tmp_path, child)).reasons.changes
    assert (changes.soften, changes.ground) == ("kinder: {why}", "more vivid")
    assert changes.person == Changes().person


def test_a_policy_that_shows_nobody_by_name_says_so():
    strict = load_policy(ROOT / "configs" / "policies" / "strict.yaml").reasons.changes
    assert strict.generic.format(why="it names a brand") == (
        "described instead of named, because it names a brand"
    )
