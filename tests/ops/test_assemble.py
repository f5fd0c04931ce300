"""The command that assembles says where each model lies, or which one it could not assemble."""

import pytest

from deployments.ops.assemble import main
from deployments.paths import SHIPPED


def test_each_named_model_gets_a_line_with_its_folder(capsys):
    assert main(["head", "names"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[0] == "head"
    assert first.endswith(str(SHIPPED / "head"))
    assert second.split()[0] == "names"


@pytest.mark.parametrize("names", [["unicorn"], ["head", "unicorn"]])
def test_model_that_cannot_be_assembled_is_named(capsys, names):
    assert main(names) == 1
    assert "embedded:unicorn: no embedded model" in capsys.readouterr().err
