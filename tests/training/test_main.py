"""`python -m training`: every model of the miniature, step by step."""

from importlib.util import find_spec

import pytest

from training.__main__ import CALIBRATION, LANGUAGE, PICTURES


@pytest.mark.parametrize("step", [*PICTURES, *LANGUAGE, CALIBRATION])
def test_every_step_of_the_whole_training_is_a_script(step):
    spec = find_spec(step)
    assert spec is not None
    assert '__name__ == "__main__"' in spec.loader.get_source(step)
