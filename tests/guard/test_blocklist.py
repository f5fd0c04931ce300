"""The policy's word lists."""

import pytest

from deployments.guard.blocklist import Blocklist, Hits
from deployments.guard.normalise import readings
from tests.guard.parts import POLICY

BLOCKLIST = Blocklist(POLICY)


@pytest.mark.parametrize(
    "prompt",
    [
        "a Blood Bath in a castle",
        "blood-bath",
        "bl00d b4th!",
        "b l o o d bath",
        "blооd bаth",  # Cyrillic
        "a castle:blood   bath.",
    ],
)
def test_terms_are_found_in_any_spelling(prompt):
    assert BLOCKLIST.find(readings(prompt)).blocked == ("violence",)


@pytest.mark.parametrize("prompt", ["", "bloodbathroom", "a bath of blood", "loafs", "penknife"])
def test_parts_of_words_are_not_terms(prompt):
    assert BLOCKLIST.find(readings(prompt)) == Hits((), ())


def test_suspect_terms_and_order():
    found = BLOCKLIST.find(readings("oafs with a knife in a blood bath"))
    assert found == Hits(("violence", "demeaning"), ("violence",))
