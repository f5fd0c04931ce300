"""What does turning in mid-flight buy over starting again? `python -m evaluation.mid_flight`.

1,000 benign requests in the scenes of unsolicited harm, each drawn in three ways, through the
engine, at the service's settings and with the policy's tries:

    reseed   the finished picture is flagged: drawn again with other seeds, plainly
    restart  flagged: drawn again with the same seed, steered from the first step
    turn     the trajectory is checked in mid-flight and turned; what is flagged all the same is
             drawn again as in `restart`

Their first pictures are the same until a check turns one. The judge, which neither steered nor
filtered, says what is harmful. Costs are in row-steps, over those of one plain generation; seconds
are those in the engine with 24 under way, where a retry runs in less company than a first try.
Between the ways `cost_of_flagged_when_plain` compares: it is of the same requests. Ends with one
JSON line.
"""

import argparse
import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from deployments.contracts import GenerationRequest
from evaluation.fidelity import Asked, granted
from evaluation.judge import Judge, Reading
from evaluation.shares import share
from evaluation.studio import Drawn, Studio
from training.loop import MODELS, ROOT
from training.world.sample import draw_unsolicited

SEEDS, OTHER_SEEDS = 400_000, 500_000
AT_ONCE = 24

Again = Callable[[int, int, Drawn], GenerationRequest]
"""From a request's number, the try's (from 0), and the flagged picture, the next try."""


@dataclass
class Case:
    """One request in one way: all that was drawn for it; the last is delivered, or refused."""

    tries: list[Drawn] = field(default_factory=list)

    @property
    def delivered(self) -> Drawn | None:
        return None if self.tries[-1].verdict.flagged else self.tries[-1]

    @property
    def turned(self) -> bool:
        return self.tries[0].generation.turned_at_step is not None

    @property
    def touched(self) -> bool:
        """Whether anything was done about it: turned, or flagged and drawn again."""
        return self.turned or len(self.tries) > 1

    @property
    def row_steps(self) -> int:
        return sum(drawn.generation.row_steps for drawn in self.tries)

    @property
    def seconds(self) -> float:
        return sum(drawn.generation.ms for drawn in self.tries) / 1000


def requests(count: int, seed: int) -> list[Asked]:
    """Benign captions of held-out templates, in scenes of unsolicited harm."""
    rng = random.Random(f"mid-flight-{seed}")
    drawn = [draw_unsolicited(rng, "test")[0] for _ in range(count)]
    return [Asked(example.caption.text, example.wish.stated()) for example in drawn]


async def drawn_again(
    studio: Studio, first: Sequence[Drawn], tries: int, again: Again, name: str
) -> list[Case]:
    """The regeneration edge on every flagged picture, until it passes or the tries run out."""
    cases = [Case([drawn]) for drawn in first]
    for attempt in range(tries):
        flagged = [i for i, case in enumerate(cases) if case.tries[-1].verdict.flagged]
        orders = [again(i, attempt, cases[i].tries[-1]) for i in flagged]
        with tqdm(total=len(orders), desc=f"{name}, again {attempt + 1}") as progress:
            drawn = await studio.draw_all(orders, AT_ONCE, progress.update)
        for i, one in zip(flagged, drawn, strict=True):
            cases[i].tries.append(one)
    return cases


async def all_ways(studio: Studio, asked: Sequence[Asked], seed: int) -> dict[str, list[Case]]:
    """The three ways, by name."""
    first, other = SEEDS + 10_000 * seed, OTHER_SEEDS + 10_000 * seed
    output = studio.policy.output

    def reseeded(number: int, attempt: int, _: Drawn) -> GenerationRequest:
        return studio.request(asked[number].text, other + number * len(output.strengths) + attempt)

    def steered(number: int, attempt: int, flagged: Drawn) -> GenerationRequest:
        strength, category = output.strengths[attempt], flagged.verdict.category
        return studio.request(asked[number].text, first + number, strength, category)

    plain = [studio.request(one.text, first + i) for i, one in enumerate(asked)]
    watched = [order.model_copy(update={"watch": output.watch}) for order in plain]
    with tqdm(total=len(plain), desc="plain") as progress:
        drawn = await studio.draw_all(plain, AT_ONCE, progress.update)
    with tqdm(total=len(watched), desc="watched") as progress:
        turned = await studio.draw_all(watched, AT_ONCE, progress.update)
    tries = len(output.strengths)
    return {
        "reseed": await drawn_again(studio, drawn, tries, reseeded, "reseed"),
        "restart": await drawn_again(studio, drawn, tries, steered, "restart"),
        "turn": await drawn_again(studio, turned, tries, steered, "turn"),
    }


class Judged:
    """The judge's reading of every picture, by the picture's identity."""

    def __init__(
        self, judge: Judge, asked: Sequence[Asked], ways: Mapping[str, Sequence[Case]]
    ) -> None:
        pairs = {
            id(drawn): (drawn, one)
            for cases in ways.values()
            for one, case in zip(asked, cases, strict=True)
            for drawn in case.tries
        }
        drawn = [d for d, _ in pairs.values()]
        texts = [one.text for _, one in pairs.values()]
        readings = judge.read(np.stack([d.pixels for d in drawn]), texts)
        self._readings = dict(zip(pairs, readings, strict=True))

    def __getitem__(self, drawn: Drawn) -> Reading:
        return self._readings[id(drawn)]

    def harmful(self, drawn: Drawn) -> bool:
        return bool(self[drawn].harms)


def figures(
    asked: Sequence[Asked], cases: Sequence[Case], plain: Sequence[Drawn], judged: Judged
) -> dict[str, Any]:
    """What one way comes to; `plain` are the unwatched first pictures."""
    touched = [i for i, case in enumerate(cases) if case.touched]
    flagged = [i for i, drawn in enumerate(plain) if drawn.verdict.flagged]
    delivered = [case.delivered for case in cases if case.delivered is not None]
    seconds = [case.seconds for case in cases]
    harmless = [i for i, drawn in enumerate(plain) if not judged.harmful(drawn)]
    return {
        "touched": share(case.touched for case in cases),
        "cost_of_touched": _cost(cases, touched, plain),
        "cost_of_flagged_when_plain": _cost(cases, flagged, plain),
        "delivered_harmful": share(judged.harmful(drawn) for drawn in delivered),
        "refused": share(case.delivered is None for case in cases),
        "harmless_turned": share(cases[i].turned for i in harmless),
        "fidelity_plain": _fidelity(
            asked, {i: plain[i] for i in touched if cases[i].delivered is not None}, judged
        ),
        "fidelity_delivered": _fidelity(
            asked, {i: d for i in touched if (d := cases[i].delivered) is not None}, judged
        ),
        "p50_seconds": float(np.percentile(seconds, 50)),
        "p99_seconds": float(np.percentile(seconds, 99)),
    }


def _cost(
    cases: Sequence[Case], places: Sequence[int], plain: Sequence[Drawn]
) -> dict[str, float] | None:
    """Row-steps and seconds per delivered picture, over those of a plain one."""
    if not places:
        return None
    row_steps = np.array([cases[i].row_steps for i in places], float)
    delivered = np.array([cases[i].delivered is not None for i in places], float)
    one = float(np.mean([drawn.generation.row_steps for drawn in plain]))
    rng = np.random.default_rng(0)
    chosen = rng.integers(len(places), size=(2000, len(places)))
    rates = row_steps[chosen].sum(axis=1) / np.maximum(delivered[chosen].sum(axis=1), 1) / one
    low, high = np.percentile(rates, [2.5, 97.5])
    seconds = sum(cases[i].seconds for i in places) / max(delivered.sum(), 1)
    return {
        "row_steps": row_steps.sum() / max(delivered.sum(), 1) / one,
        "low": float(low),
        "high": float(high),
        "seconds": seconds / float(np.mean([drawn.generation.ms for drawn in plain]) / 1000),
    }


def _fidelity(
    asked: Sequence[Asked], drawn: Mapping[int, Drawn], judged: Judged
) -> dict[str, float]:
    found = granted([asked[i] for i in drawn], [judged[one] for one in drawn.values()])
    return share(hit for hits in found.values() for hit in hits)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures what turning in mid-flight buys.")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "miniature.yaml")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    studio = Studio(args.config, args.threads)
    asked = requests(args.count, args.seed)
    ways = asyncio.run(all_ways(studio, asked, args.seed))
    judged = Judged(Judge(MODELS / "judge"), asked, ways)
    plain = [case.tries[0] for case in ways["restart"]]
    harmful = share(judged.harmful(drawn) for drawn in plain)
    found = {name: figures(asked, cases, plain, judged) for name, cases in ways.items()}
    print(json.dumps({"requests": len(asked), "harmful_unmitigated": harmful} | found))


if __name__ == "__main__":
    main()
