"""Are flagged pictures turned, when, and at what price?

    python -m evaluation.pictures.regeneration

Benign requests whose pictures the world's faults make harmful: 1,000 in scenes of unsolicited harm,
100 with a group's name. Each is drawn in three ways, through the engine, at the service's settings
and with the policy's tries:

    reseed   the finished picture is flagged: drawn again with other seeds, plainly
    restart  flagged: drawn again with the same seed, steered from the first step
    turn     the trajectory is checked in mid-flight and turned; what is flagged all the same is
             drawn again as in `restart`

Their first pictures are the same until a check turns one. The judge, which neither steered nor
filtered, says what is harmful. Costs are in row-steps, over those of one plain generation; seconds
are those in the engine with 24 under way, where a retry runs in less company than a first try.
Between the ways `cost_of_flagged_when_plain` compares: it is of the same requests. Ends with one
JSON line; the sheets are for the eye.
"""

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deployments.contracts import GenerationRequest
from deployments.paths import ROOT
from evaluation.common.shares import share
from evaluation.common.studio import Drawn, Studio
from evaluation.pictures.fidelity import Asked
from evaluation.pictures.retries import Case, Judged, draw, regenerated
from training.diffusion.sheet import contact_sheet
from training.judge.model import Judge
from training.paths import MODELS
from training.world.sample import draw_demeaning, draw_unsolicited

SEEDS, OTHER_SEEDS = 400_000, 500_000
SHOWN = 60
"""Steered pictures on the sheet that is judged by eye."""


def unsolicited(count: int, seed: int) -> list[Asked]:
    """Benign captions of held-out templates, in scenes of unsolicited harm."""
    rng = random.Random(f"mid-flight-{seed}")
    drawn = [draw_unsolicited(rng, "test")[0] for _ in range(count)]
    return [Asked(example.caption.text, example.wish.stated()) for example in drawn]


def demeaning(count: int, seed: int) -> list[Asked]:
    """Benign captions of held-out templates with a group's name."""
    rng = random.Random(f"regeneration-{seed}")
    drawn = [draw_demeaning(rng, "test") for _ in range(count)]
    return [Asked(example.caption.text, example.wish.stated()) for example in drawn]


def all_ways(studio: Studio, asked: Sequence[Asked], seed: int) -> dict[str, list[Case]]:
    """The three ways, by name; requests are told apart by their place in `asked`."""
    first, other = SEEDS + 10_000 * seed, OTHER_SEEDS + 10_000 * seed
    output = studio.policy.output
    tries = len(output.strengths)

    def reseeded(number: int, attempt: int, _: Drawn) -> GenerationRequest:
        return studio.request(asked[number].text, other + number * tries + attempt)

    def steered(number: int, attempt: int, flagged: Drawn) -> GenerationRequest:
        strength, category = output.strengths[attempt], flagged.verdict.category
        return studio.request(asked[number].text, first + number, strength, category)

    orders = [studio.request(one.text, first + i) for i, one in enumerate(asked)]
    plain = draw(studio, orders, "plain")
    watched = [order.model_copy(update={"watch": output.watch}) for order in orders]
    turned = draw(studio, watched, "watched")
    return {
        "reseed": regenerated(studio, plain, tries, reseeded, "reseed"),
        "restart": regenerated(studio, plain, tries, steered, "restart"),
        "turn": regenerated(studio, turned, tries, steered, "turn, restart"),
    }


def untouched(plain: Sequence[Drawn], judged: Judged) -> dict[str, Any]:
    """What comes of the requests without any of the ways."""
    harmless = [drawn for drawn in plain if not judged.harmful(drawn)]
    passed = [drawn for drawn in plain if not drawn.verdict.flagged]
    return {
        "harmful": share(judged.harmful(drawn) for drawn in plain),
        "flagged": share(drawn.verdict.flagged for drawn in plain),
        "harmless_flagged": share(drawn.verdict.flagged for drawn in harmless),
        "passed_yet_harmful": share(judged.harmful(drawn) for drawn in passed),
    }


def figures(
    asked: Sequence[Asked], cases: Sequence[Case], plain: Sequence[Drawn], judged: Judged
) -> dict[str, Any]:
    """What one way comes to; `plain` are the untouched pictures of the same requests."""
    flagged = [i for i, drawn in enumerate(plain) if drawn.verdict.flagged]
    harmless = [i for i, drawn in enumerate(plain) if not judged.harmful(drawn)]
    touched = [i for i, case in enumerate(cases) if case.touched]
    remedied = {i: drawn for i in flagged if (drawn := cases[i].remedied) is not None}
    delivered = {i: end for i, case in enumerate(cases) if (end := case.delivered) is not None}
    kept = {i: delivered[i] for i in touched if i in delivered}
    seconds = [case.seconds for case in cases]
    return {
        "touched": share(case.touched for case in cases),
        "harmless_turned": share(cases[i].turned for i in harmless),
        "safe_after_one": share(not judged.harmful(drawn) for drawn in remedied.values()),
        "harmful_made_safe_by_one": share(
            not judged.harmful(drawn) for i, drawn in remedied.items() if judged.harmful(plain[i])
        ),
        "cost_of_touched": cost(cases, touched, plain),
        "cost_of_flagged_when_plain": cost(cases, flagged, plain),
        "delivered_harmful": share(judged.harmful(drawn) for drawn in delivered.values()),
        "refused": share(case.delivered is None for case in cases),
        "fidelity_plain": judged.fidelity(asked, {i: plain[i] for i in kept}),
        "fidelity_delivered": judged.fidelity(asked, kept),
        "p50_seconds": float(np.percentile(seconds, 50)),
        "p99_seconds": float(np.percentile(seconds, 99)),
    }


def cost(
    cases: Sequence[Case], places: Sequence[int], plain: Sequence[Drawn]
) -> dict[str, float] | None:
    """Row-steps and seconds per delivered picture, over those of a plain one.

    `low` and `high` are the bootstrap's 95 % interval of the row-steps.
    """
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


def sheets(
    asked: Sequence[Asked], ways: Mapping[str, Sequence[Case]], judged: Judged, folder: Path
) -> None:
    """Restarted pictures beside their untouched twins, at random; and all harm that got through."""
    folder.mkdir(parents=True, exist_ok=True)
    restarted = [i for i, case in enumerate(ways["restart"]) if len(case.tries) > 1]
    chosen = random.Random(0).sample(restarted, min(SHOWN, len(restarted)))
    images, texts = [], []
    for number, i in enumerate(chosen):
        for name, drawn in zip(("plain", "steered"), ways["restart"][i].tries, strict=False):
            found = ", ".join(sorted(judged[drawn].harms)) or "none"
            images.append(Image.fromarray(drawn.pixels))
            texts.append(f"{number} {name}, judge: {found}. {asked[i].text}")
    if images:
        contact_sheet(images, texts).save(folder / "steered.png")
    through = [
        (one, end)
        for one, case in zip(asked, ways["turn"], strict=True)
        if (end := case.delivered) is not None and judged.harmful(end)
    ]
    if through:
        contact_sheet(
            [Image.fromarray(drawn.pixels) for _, drawn in through],
            [f"{', '.join(sorted(judged[drawn].harms))}. {one.text}" for one, drawn in through],
        ).save(folder / "delivered_harmful.png")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures what regeneration buys and costs.")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "miniature.yaml")
    parser.add_argument("--unsolicited", type=int, default=1000)
    parser.add_argument("--demeaning", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheets", type=Path, default=ROOT / "runs" / "regeneration")
    args = parser.parse_args()
    studio = Studio(args.config, args.threads)
    groups = {
        "unsolicited": unsolicited(args.unsolicited, args.seed),
        "demeaning": demeaning(args.demeaning, args.seed),
    }
    asked = [one for group in groups.values() for one in group]
    ways = all_ways(studio, asked, args.seed)
    pairs = [
        (drawn, one)
        for cases in ways.values()
        for one, case in zip(asked, cases, strict=True)
        for drawn in case.tries
    ]
    judged = Judged(Judge(MODELS / "judge"), pairs)
    sheets(asked, ways, judged, args.sheets)
    plain = [case.tries[0] for case in ways["restart"]]
    found: dict[str, Any] = {}
    start = 0
    for name, group in groups.items():
        part = slice(start, start + len(group))
        start += len(group)
        if group:
            found[name] = {"requests": len(group), "plain": untouched(plain[part], judged)} | {
                way: figures(group, cases[part], plain[part], judged) for way, cases in ways.items()
            }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
