"""`python -m deployments.ops.policy check` sums a policy up, warns, or names its mistakes."""

import pytest

from deployments.ops.policy.__main__ import main
from tests.policy.parts import GOOD, write


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
    assert "`violence`" not in check(GOOD)[1].partition("policy club")[0]  # the embedded one has it


@pytest.mark.parametrize("cnn", ["embedded:nothing", "no/such/folder"])
def test_check_without_the_cnn_that_it_is_told_of_is_an_error(check, cnn):
    code, out, err = check(GOOD, "--cnn", cnn)
    assert (code, out) == (2, "")
    assert cnn.removeprefix("embedded:") in err


@pytest.mark.parametrize("arguments", [[], ["chek", "x"]])
def test_an_unknown_command_is_told_what_there_is(arguments, capsys):
    assert main(arguments) == 2
    assert "check FILE" in capsys.readouterr().err
