"""Which requests come, and when; the same for every way, from a seed."""

import itertools
import random
from collections.abc import Iterator

from deployments.contracts import GenerationRequest

STEPS = (10, 20, 30, 50)
GUIDANCE_SCALES = (1.0, 3.0, 5.0, 7.5)
"""At 1 there is no guidance: one row a step instead of two."""
PEOPLE = ("a woman", "a man", "an old man", "a nurse", "a chef", "a warrior", "a teacher")
PLACES = ("in a park", "at the beach", "in an office", "at a party", "in a kitchen")


def requests(seed: int, side: int) -> Iterator[GenerationRequest]:
    """Without end; steps and guidance scale are drawn independently of each other.

    Args:
        seed: equal seeds give equal requests.
        side: width and height in pixels.
    """
    rng = random.Random(f"bench-{seed}")
    for number in itertools.count():
        yield GenerationRequest(
            request_id=f"bench-{seed}-{number}",
            prompt=f"{rng.choice(PEOPLE)} {rng.choice(PLACES)}",
            seed=number,
            steps=rng.choice(STEPS),
            guidance_scale=rng.choice(GUIDANCE_SCALES),
            width=side,
            height=side,
        )


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """When a Poisson stream of `rate` per second brings a request, in [0, seconds), rising."""
    rng = random.Random(f"arrivals-{seed}")
    times = itertools.accumulate(rng.expovariate(rate) for _ in itertools.count())
    return list(itertools.takewhile(lambda at: at < seconds, times))
