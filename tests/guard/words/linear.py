"""Whether work on a text takes time in proportion to its length: two lengths, measured together."""

import time
from collections.abc import Callable

LENGTH = 32_000
PART = 8
SLACK = 3.0
"""Between linear (1) and quadratic work (PART) on texts whose lengths differ by PART."""


def assert_linear(work: Callable[[str], object], text: str) -> None:
    """Fails if the whole text takes more than SLACK times what its length allows."""
    beginning = text[: len(text) // PART]
    work(beginning)  # fills the caches
    runs = [(_seconds(work, beginning), _seconds(work, text)) for _ in range(3)]
    short, long = map(min, zip(*runs, strict=True))
    assert long < SLACK * PART * short


def _seconds(work: Callable[[str], object], text: str) -> float:
    """CPU time of this thread alone: the suite's services have others."""
    started = time.thread_time()
    work(text)
    return time.thread_time() - started
