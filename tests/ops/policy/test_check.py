"""`python -m deployments.ops.policy check` names every mistake with its line, all at once."""

import textwrap

import pytest

from deployments.errors import ConfigurationError
from deployments.ops.policy.__main__ import main
from deployments.paths import ROOT
from deployments.policy import load_policy
from deployments.policy.loading import read_policy

POLICIES = sorted(
    path for path in (ROOT / "configs" / "policies").glob("*.yaml") if path.name != "words.yaml"
)
GOOD = """\
name: club
version: "1"
cnn: {pass_below: 0.3, block_above: 0.9}
categories:
  violence:
    code: A
    description: people hurt
    why: it is violent
    action: block
  mascot:
    code: B
    description: our rival's mascot, a blue goat
    why: it shows our rival's mascot
    action: rewrite
    rewrite: generic
    examples:
      forbidden: [a blue goat, a goat in blue]
      allowed: [a white goat, a blue sheep]
output:
  thresholds: {violence: 0.5}
  why: {violence: it shows violence}
"""


def write(folder, text: str, name: str = "policy.yaml"):
    path = folder / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


@pytest.fixture
def mistakes(tmp_path):
    """The mistakes in a policy, as `file:line: message` with the file's bare name."""

    def find(text: str, **others: str) -> list[str]:
        for name, other in others.items():
            write(tmp_path, other, f"{name}.yaml")
        path = write(tmp_path, text)
        reading = read_policy(path)
        assert (reading.policy is None) == bool(reading.mistakes)
        if reading.mistakes:
            with pytest.raises(ConfigurationError) as refused:
                load_policy(path)
            assert all(str(mistake) in str(refused.value) for mistake in reading.mistakes)
        return [str(mistake).replace(f"{tmp_path}/", "") for mistake in reading.mistakes]

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
            "0.5}\n  edits: {thresholds: {violence: 0.5}, why: {violence: bad}, alone: {hate: 0.9}}",
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


def test_a_chain_of_bases_that_ends_is_none_of_a_mistake(mistakes):
    assert mistakes("extends: b.yaml\n", b="extends: c.yaml\nname: b\n", c=GOOD) == []


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


@pytest.fixture
def check(tmp_path, capsys):
    """The exit code and the output of `check` on a policy."""

    def run(text: str, *options: str, **others: str) -> tuple[int, str, str]:
        for name, other in others.items():
            write(tmp_path, other, f"{name}.yaml")
        path = write(tmp_path, text)
        code = main(["check", str(path), *options])
        output = capsys.readouterr()
        return code, output.out.replace(f"{tmp_path}/", ""), output.err

    return run


def test_check_sums_a_good_policy_up(check):
    code, out, _ = check(GOOD)
    assert code == 0
    assert "policy club, version 1, hash " in out
    assert "  block: violence\n  rewrite: mascot (generic)\n" in out
    assert "the CNN alone lets pass below 0.3 and blocks above 0.9" in out
    assert out.endswith("no mistakes, 0 warnings\n")


def test_check_fails_on_mistakes(check, tmp_path):
    code, out, err = check(GOOD.replace("code: B", "code: A").replace("block_above", "blok_above"))
    assert (code, out) == (2, "")
    assert err.splitlines()[0].startswith(f"{tmp_path}/policy.yaml:3: unknown key")
    assert err.splitlines()[-1].startswith("2 mistakes")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  mascot:", "  blue_goat:", None),  # it has examples
        ("  violence:", "  gore:", "5: warning: `gore` is known to no embedding stage and has no"),
        ("  violence:", "  Gore:\n    operations: [edit]", "5: warning: `Gore` is known to no"),
        ("why: it is", "terms: [Blue  goat, knife, knife]\n    why: it is",
         "8: warning: `violence.terms` has twice 'knife'"),
        ("why: it is", "terms: [knife]\n    block_terms: [Knife]\n    why: it is",
         "8: warning: `violence.block_terms` and `violence.terms` both have 'knife'"),
        ("why: it is", "terms: [knife]\n    exceptions: [knife]\n    why: it is",
         "8: warning: `violence.exceptions` and `violence.terms` both have 'knife'"),
        ("action: block", "action: allow\n    thresholds: {act: 0.6}",
         "10: warning: `violence.thresholds` never act: the action is `allow`"),
        ("action: block", "action: steer", "3: warning: `cnn.block_above` 0.9 never acts: no"),
        ("action: block", "action: block\n    thresholds: {steer: 0.5, act: 0.5}",
         "10: warning: `categories.violence.thresholds.steer` never acts"),
        ("0.3,", "0.4,", "3: warning: `cnn.pass_below` 0.4 acts only up to the lowest steer"),
        ("0.9}", "0.4}", "3: warning: `cnn.block_above` 0.4 acts only from the lowest act"),
        ("name: club", "thresholds: {act: 1, act_low: 1}\nname: club",
         "1: warning: `thresholds.act` 1 never acts but on listed words"),
    ],
)  # fmt: skip
def test_check_warns_of_what_cannot_be_meant(check, old, new, expected):
    code, out, _ = check(GOOD.replace(old, new, 1))
    lines = [line for line in out.splitlines() if "warning: " in line]
    assert code == 0
    if expected is None:
        assert lines == []
    else:
        assert any(line.startswith(f"policy.yaml:{expected}") for line in lines), lines


def test_check_warns_of_words_and_nulls_that_miss(check):
    child = "extends: base.yaml\ncategories: {mascott: null}\nword_lists: words.yaml\n"
    code, out, _ = check(child, base=GOOD, words="violense: {terms: [knife]}")
    assert code == 0
    assert "policy.yaml:2: warning: null takes `mascott` away" in out
    assert "words.yaml:1: warning: the words of 'violense' are not used" in out
    assert out.count("did you mean `") == 2


def test_check_knows_the_cnn_that_it_is_told_of(check, tmp_path):
    write(tmp_path, '{"categories": ["mascot"]}', "cnn.json")
    assert "`violence` is known to no embedding stage" in check(GOOD, "--cnn", str(tmp_path))[1]
    assert "`violence` is known to no embedding stage" in check(GOOD, "--cnn", "none")[1]
    code, _, err = check(GOOD, "--cnn", "embedded:nothing")
    assert (code, "cannot read" in err) == (2, True)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_the_shipped_policies_have_no_mistakes(path):
    assert read_policy(path).mistakes == []


@pytest.mark.parametrize("arguments", [[], ["chek", "x"]])
def test_an_unknown_command_is_told_what_there_is(arguments, capsys):
    assert main(arguments) == 2
    assert "check FILE" in capsys.readouterr().err
