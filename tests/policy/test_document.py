"""What a valid policy decides, and what its hash depends on."""

import pytest
from pydantic import ValidationError

from deployments.paths import ROOT
from deployments.policy import MINORS, Category, EditPolicy, OutputPolicy, Policy, load_policy
from tests.policy.parts import GOOD, write

CONFIGURED = ROOT / "configs" / "policies"
WHY = {"violence": "it shows violence"}


@pytest.fixture
def policy(tmp_path) -> Policy:
    return load_policy(write(tmp_path, GOOD))


def category(**changes) -> Category:
    said = {"code": "A", "description": "people hurt", "why": "it is violent", "action": "block"}
    return Category(**said | changes)


# Reasons


def test_a_category_that_can_flag_a_picture_without_a_reason_is_refused():
    with pytest.raises(ValidationError, match="no reason for 'hate', 'sexual'"):
        OutputPolicy(thresholds={"violence": 0.5, "sexual": 0.5, "hate": 0.5}, why=WHY)


def test_a_harm_that_can_flag_an_edit_without_a_reason_is_refused():
    with pytest.raises(ValidationError, match="no reason for 'sexual'"):
        EditPolicy(thresholds={"violence": 0.5, "sexual": 0.5}, why=WHY)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["default", "museum", "strict"])
def test_policies_for_any_model_speak_of_no_pictograms(name):
    reasons = " ".join(load_policy(CONFIGURED / f"{name}.yaml").output.why.values())
    assert "weapon" not in reasons
    assert "unclothed" not in reasons


# Hash


def test_the_hash_is_that_of_what_the_policy_says_and_not_of_how_it_is_written(policy, tmp_path):
    written = GOOD.replace("name: club\n", "# a club\n").replace("cnn: {pass", "cnn: {  pass")
    other = load_policy(write(tmp_path, f"{written}name: club\n", "other.yaml"))
    assert other.ref == policy.ref
    assert (policy.ref.name, policy.ref.version, len(policy.ref.hash)) == ("club", "1", 12)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{violence: 0.5}", "{violence: 0.51}"),
        ("it is violent", "it shows people hurt"),
        ("it shows violence", "the picture shows people hurt"),
        ("[a white goat,", "[a grey goat,"),
        ("output:", "audit: {keep_prompts: true}\noutput:"),
    ],
)
def test_whatever_a_policy_says_is_in_its_hash(policy, tmp_path, old, new):
    assert old in GOOD
    other = load_policy(write(tmp_path, GOOD.replace(old, new), "other.yaml"))
    assert other.ref.hash != policy.ref.hash


def test_a_default_spelt_out_changes_no_hash(policy, tmp_path):
    spelt = GOOD + "manipulations: {anonymise: true}\ndeadlines: {guard: 20}\n"
    assert load_policy(write(tmp_path, spelt, "other.yaml")).ref == policy.ref


def test_a_policy_survives_its_json_form(policy):
    again = Policy.model_validate_json(policy.model_dump_json())
    assert (again, again.ref) == (policy, policy.ref)


# Decisions


def test_a_policy_cannot_be_changed(policy):
    with pytest.raises(ValidationError, match="frozen"):
        policy.name = "other"


def test_a_category_s_own_thresholds_hold_for_it_alone(policy, tmp_path):
    own = GOOD.replace("code: A", "code: A\n    thresholds: {steer: 0.1, act: 0.2, act_low: 0.3}")
    other = load_policy(write(tmp_path, own, "other.yaml"))
    assert other.thresholds_of("violence").act == 0.2
    assert other.thresholds_of("mascot") == other.thresholds == policy.thresholds


def test_a_category_with_examples_has_the_weight_of_examples(tmp_path):
    weighed = GOOD.replace("cnn: {", "cnn: {weight: 0.2, examples_weight: 0.6, ")
    policy = load_policy(write(tmp_path, weighed))
    assert policy.embedding_weight("violence") == 0.2
    assert policy.embedding_weight("mascot") == 0.6


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({"action": "block"}, True),
        ({"action": "rewrite", "rewrite": "soften"}, True),
        ({"action": "rewrite", "rewrite": "generic"}, False),
        ({"action": "steer"}, False),
        ({"action": "allow"}, False),
    ],
)
def test_only_what_is_blocked_or_softened_counts_as_flagged(changes, flags):
    assert category(**changes).flags is flags


def test_every_category_has_a_reason_the_one_on_minors_too(policy):
    assert policy.why("violence") == "it is violent"
    assert "minor" in policy.why(MINORS)
