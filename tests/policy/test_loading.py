"""Every mistake in a policy file is found at once, with its line."""

import pytest

from deployments.errors import ConfigurationError
from deployments.paths import ROOT
from deployments.policy import load_policy
from deployments.policy.loading import read_policy
from tests.policy.parts import GOOD, write

POLICIES = sorted(
    path for path in (ROOT / "configs" / "policies").glob("*.yaml") if path.name != "words.yaml"
)


@pytest.fixture
def mistakes(tmp_path):
    """The mistakes in a policy, as `file:line: message` with the file's bare name."""

    def find(text: str, **others: str) -> list[str]:
        for name, other in others.items():
            write(tmp_path, other, f"{name}.yaml")
        path = write(tmp_path, text)
        file = read_policy(path)
        assert (file.policy is None) == bool(file.mistakes)
        if file.mistakes:
            with pytest.raises(ConfigurationError) as refused:
                load_policy(path)
            assert all(str(mistake) in str(refused.value) for mistake in file.mistakes)
        return [str(mistake).replace(f"{tmp_path}/", "") for mistake in file.mistakes]

    return find


def test_a_good_policy_has_no_mistakes(mistakes):
    assert mistakes(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("pass_below", "pas_below", "3: unknown key `cnn.pas_below`; did you mean `pass_below`?"),
        ("categories:", "kategories:", "4: unknown key `kategories`; did you mean `categories`?"),
        ("    why: it is", "    reason: it is", "8: unknown key `categories.violence.reason`"),
        ("    why: it is violent\n", "", "5: `why` is missing in `categories.violence`"),
        ('version: "1"\n', "", "1: `version` is missing"),
        ('version: "1"', "version: 1", "2: `version` should be a valid string, is 1; put it in"),
        ("description: people hurt", "description: no", "7: `categories.violence.description`"),
        ("0.9}", "1.9}", "3: `cnn.block_above` should be less than or equal to 1, is 1.9"),
        ("pass_below: 0.3", "pass_below: lots", "3: `cnn.pass_below` should be a valid number"),
        ("pass_below: 0.3", "pass_below: 0.95", "3: `cnn`: pass_below 0.95 must be below"),
        ("code: A", "code: AB", "6: `categories.violence.code` should match pattern"),
        ("code: B", "code: A", "11: categories 'violence' and 'mascot' share the code 'A'"),
        ("action: block", "action: blok", "9: `categories.violence.action` should be 'allow'"),
        ("    rewrite: generic\n", "", "10: `categories.mascot`: action 'rewrite' with rewrite"),
        ("[a blue goat, a goat in blue]", "[a goat]", "17: `categories.mascot.examples.forbidden`"),
        ("[a white goat, a blue sheep]", "a sheep", "18: `categories.mascot.examples.allowed`"),
        ("[a white goat, a blue sheep]", "[a, yes]", "18: `categories.mascot.examples.allowed[1]`"),
        ("  violence:\n", "  sexual_minors:\n", "5: 'sexual_minors' is a rule, always on"),
        ("  mascot:\n", "  violence:\n", "10: 'violence' stands there twice, first on line 5"),
        ("    why: it is", "    code: C\n    why: it is", "8: 'code' stands there twice, first on"),
        ("{violence: 0.5}", "{violence: 5}", "20: `output.thresholds.violence` should be less"),
        ("0.5}", "0.5}\n  strengths: [2, 1]", "19: `output`: strengths must rise with the try"),
        (
            "0.5}",
            "0.5}\n  edits: {thresholds: {violence: 0.5}, why: {violence: hurt}, alone: {hate: 1}}",
            "19: `output`: edits.alone names 'hate'",
        ),
        (
            "why: {violence: it shows",
            "why: {harm: it shows",
            "19: `output`: `why` has no reason for",
        ),
        ("  why: {violence: it shows violence}\n", "", "19: `why` is missing in `output`"),
        (
            "0.5}",
            "0.5}\n  edits: {thresholds: {violence: 0.5}, why: {}}",
            "21: `output.edits`: `why` has no reason for 'violence'",
        ),
        ("cnn: {", "cnn: [", "3: is not YAML: while parsing a flow sequence"),
        ("code: A", "\tcode: A", "6: is not YAML"),
        ("code: A", "code: !letter A", "6: 'A' cannot be read: could not determine a constructor"),
        ("code: A", "code: \x07", "6: is not YAML: special characters are not allowed"),
        ("  violence:\n", "  7: {}\n  violence:\n", "5: `categories[7]`"),
        ("name: club", "7: x\nname: club", "1: unknown key `7`"),
        ("cnn: {", "cnn: &c\n  self: *c\n  x: {", "4: contains itself"),
        ("name: club", "word_lists: none.yaml\nname: club", "1: cannot read"),
        ("name: club", "word_lists: [a]\nname: club", "1: `word_lists` must be a file name"),
        ("name: club", "extends: none.yaml\nname: club", "1: cannot read"),
        ("name: club", "extends: policy.yaml\nname: club", "1: `extends` leads back to where"),
        ("name: club", "extends: [a]\nname: club", "1: `extends` must be a file name"),
    ],
)
def test_each_mistake_is_named_with_its_line(mistakes, old, new, expected):
    assert old in GOOD
    found = mistakes(GOOD.replace(old, new, 1))
    assert any(line.startswith(f"policy.yaml:{expected}") for line in found), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "1: is empty"), ("# none\n", "1: is empty"), ("- a\n", "1: is not a policy")],
)
def test_what_is_no_document_is_told_so(mistakes, text, expected):
    (found,) = mistakes(text)
    assert found.startswith(f"policy.yaml:{expected}")


def test_text_that_is_not_utf8_is_named_with_its_line(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"name: club\nversion: \xff\n")
    (mistake,) = read_policy(path).mistakes
    assert str(mistake).startswith(f"{path}:2: is not UTF-8")


def test_all_mistakes_are_named_at_once_in_the_order_of_their_lines(mistakes):
    text = (
        GOOD.replace("block_above: 0.9", "block_above: 9")
        .replace("why: it is violent", "whi: it is violent")
        .replace("code: B", "code: A")
        .replace("rewrite: generic\n", "rewrit: generic\n")
        .replace("thresholds: {violence: 0.5}", "thresholds: {violence: none}\n  tries: 3")
    )
    found = mistakes(text)
    # The rule that joins two keys is checked although another key of the category is unknown.
    assert [line.split(": ")[0].split(":")[1] for line in found] == [
        "3", "5", "8", "10", "11", "15", "20", "21",
    ]  # fmt: skip
    assert "`categories.mascot`: action 'rewrite'" in found[3]


def test_a_rule_on_all_categories_is_said_once(mistakes):
    assert len(mistakes(GOOD.replace("code: B", "code: A"))) == 1
    assert len(mistakes(GOOD.replace("  violence:\n", "  sexual_minors:\n"))) == 1


def test_mistakes_in_another_file_are_named_there(mistakes):
    child = "extends: base.yaml\nname: child\ncategories:\n  violence: {action: blok}\n"
    found = mistakes(child, base=GOOD.replace("code: B", "code: Bee"))
    assert found[0].startswith("policy.yaml:4: `categories.violence.action`")
    assert found[1].startswith("base.yaml:11: `categories.mascot.code`")
    assert len(found) == 2


def test_a_missing_base_does_not_hide_other_mistakes_nor_make_up_missing_keys(mistakes):
    child = "extends: none.yaml\nname: Child\nthresholds: {steer: 0.6}\ncategorys: {}\n"
    found = mistakes(child)
    assert [line.split(": ")[0] for line in found] == [f"policy.yaml:{n}" for n in (1, 2, 4)]


def test_a_circle_of_bases_is_named_however_the_files_are_spelt(mistakes, tmp_path):
    base = f"extends: ../{tmp_path.name}/policy.yaml\n"
    (found,) = mistakes("extends: base.yaml\nname: a\n", base=base)
    assert found.startswith("base.yaml:1: `extends` leads back")
    assert "policy.yaml -> base.yaml -> policy.yaml" in found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("violence: {term: [a]}", "words.yaml:1: unknown key `term`; did you mean `terms`?"),
        ("violence:\n  terms: knife", "words.yaml:2: `terms` must be a list, is 'knife'"),
        ("violence: [knife]", "words.yaml:1: `violence` must have the keys"),
        ("- knife", "words.yaml:1: must have word lists by category"),
        ("violence:\n  terms:\n  - knife\n  - 7", "words.yaml:4: `categories.violence.terms[1]`"),
        ("violence: {", "words.yaml:1: is not YAML"),
    ],
)
def test_mistakes_in_word_lists_are_named_there(mistakes, words, expected):
    (found,) = mistakes(f"{GOOD}word_lists: words.yaml\n", words=words)
    assert found.startswith(expected)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_the_shipped_policies_have_no_mistakes(path):
    assert read_policy(path).mistakes == []
