"""Tests that need a program of the distribution: `@pytest.mark.program("nginx")`.

`.ci/run` installs these programs; there a missing one fails its tests. Elsewhere the tests are left
out, and the summary says so.
"""

import os
import shutil

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("program"):
        for name in marker.args:
            if shutil.which(name) is None:
                missing(name)


def missing(name: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{name} is not installed; .ci/run installs it", pytrace=False)
    pytest.skip(f"{name} is not installed (apt-get install {name})")
