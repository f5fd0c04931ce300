"""A test whose program is missing is left out with a word, and fails where CI should have it."""

import pytest

TEST = """
import pytest

@pytest.mark.program("a-program-that-nobody-has")
def test_it():
    pass

@pytest.mark.program("sh")
def test_what_is_there():
    pass
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    pytester.makepyfile(TEST)
    pytester.makeini(
        "[pytest]\nmarkers = program(name)\nasyncio_default_fixture_loop_scope = function"
    )
    return lambda: pytester.runpytest_inprocess("-ra", "-p", "tests.programs")


def test_a_missing_program_is_named_in_the_summary(run, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    result = run()
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*a-program-that-nobody-has is not installed*"])


def test_a_missing_program_fails_in_ci(run, monkeypatch):
    monkeypatch.setenv("CI", "true")
    result = run()
    result.assert_outcomes(passed=1, errors=1)
