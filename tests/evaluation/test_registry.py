"""Every measurement declares what a reader and the command must know of it."""

import pytest

from evaluation.__main__ import chosen, listed
from evaluation.common.options import Options
from evaluation.registry import measurements

KNOWN = measurements()


@pytest.mark.parametrize("one", KNOWN.values(), ids=str)
def test_a_measurement_declares_itself(one):
    assert one.question.endswith("?")
    assert len(one.question) <= 100
    assert one.minutes > 0
    assert one.needs <= {"corpora", "url"}
    assert all(declared.text for declared in one.declared.values())


def test_the_list_has_a_line_for_each():
    assert len(listed(KNOWN).splitlines()) == len(KNOWN)


def test_an_unknown_name_is_refused():
    with pytest.raises(SystemExit, match="no measurement 'nothing'"):
        chosen(["nothing"], KNOWN, Options())


def test_a_named_measurement_without_what_it_needs_is_refused():
    with pytest.raises(SystemExit, match="anonymise needs --corpora"):
        chosen(["anonymise"], KNOWN, Options())


def test_without_a_name_those_that_lack_something_are_left_out(capsys):
    names = {one.name for one in chosen([], KNOWN, Options())}
    assert "rules" in names
    assert "anonymise" not in names
    assert "left out: anonymise needs --corpora" in capsys.readouterr().err
