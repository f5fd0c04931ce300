"""Token ids and encoder states are those that the shipped weights were trained on."""

from typing import Any

import pytest

from tests.inference.golden import files
from tests.inference.golden.texts import TEXTS

pytestmark = pytest.mark.slow

Golden = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def now() -> Golden:
    return files.made()


@pytest.fixture(scope="module")
def before() -> Golden:
    return files.read()


def test_every_text_becomes_the_same_token_ids_in_every_form(now: Golden, before: Golden):
    assert len(TEXTS) >= 60
    assert now["ids"] == before["ids"]


def test_the_ids_that_are_kept_whole_are_the_same(now: Golden, before: Golden):
    assert now["whole"] == before["whole"]


def test_every_text_has_the_same_states_in_every_use(now: Golden, before: Golden):
    assert now["states"].keys() == before["states"].keys()
    for text, uses in before["states"].items():
        for use, rows in uses.items():
            found = now["states"][text][use]
            assert len(found) == len(rows), (text, use)
            for got, row in zip(found, rows, strict=True):
                assert got == pytest.approx(row, abs=5e-4), (text, use)
