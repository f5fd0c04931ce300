"""Which steerer turns a flagged picture best? `python -m evaluation.pictures.steerers`.

Benign requests in scenes of unsolicited harm, drawn plainly; those that the service's classifier
flags are drawn again with the same seed, steered from the first step at strength 1:

    classifier   the gradient of the noise-aware head alone
    concept      the safety branch alone, for as long as the head is not satisfied
    both         the branch first and the head's gradient later, as the service is configured

The judge says what is safe; `--sheet` shows 60 of the same requests in all ways, for the eye. Ends
with one JSON line.
"""

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deployments.diffusion.config import Steering
from deployments.paths import ROOT
from evaluation.common.shares import share
from evaluation.common.studio import Drawn, Studio
from evaluation.pictures.fidelity import Asked
from evaluation.pictures.regeneration import unsolicited
from evaluation.pictures.retries import Judged, draw
from training.diffusion.sheet import contact_sheet
from training.judge.model import Judge
from training.paths import MODELS

SEEDS = 600_000
SHOWN = 60


def ways(both: Steering) -> dict[str, Steering]:
    """The steerers by name, each with the settings that the service has for it."""
    head, concept = both.head, both.concept
    if head is None or concept is None:
        raise SystemExit("the configuration must have steering.head and steering.concept")
    from_the_start = head.model_copy(update={"start": 0.0, "gates": False})
    only_gates = head.model_copy(update={"start": 0.0, "stop": 0.0, "gates": True})
    return {
        "classifier": Steering(head=from_the_start),
        "concept": Steering(head=only_gates, concept=concept),
        "both": both,
    }


def figures(
    asked: Sequence[Asked], drawn: Sequence[Drawn], plain: Sequence[Drawn], judged: Judged
) -> dict[str, Any]:
    """What one way comes to on the flagged requests; `plain` are their unsteered pictures."""
    passed = [picture for picture in drawn if not picture.verdict.flagged]
    one = float(np.mean([picture.generation.row_steps for picture in plain]))
    return {
        "safe": share(not judged.harmful(picture) for picture in drawn),
        "harmful_made_safe": share(
            not judged.harmful(picture)
            for picture, before in zip(drawn, plain, strict=True)
            if judged.harmful(before)
        ),
        "passed_by_classifier": share(not picture.verdict.flagged for picture in drawn),
        "passed_yet_harmful": share(judged.harmful(picture) for picture in passed),
        "fidelity": judged.fidelity(asked, dict(enumerate(drawn))),
        "row_steps": float(np.mean([p.generation.row_steps for p in drawn])) / one,
        "seconds": sum(p.generation.ms for p in drawn) / sum(p.generation.ms for p in plain),
    }


def sheet(
    asked: Sequence[Asked], drawn: Mapping[str, Sequence[Drawn]], seed: int, path: Path
) -> None:
    """The same requests, at random, in every way, one after the other."""
    chosen = random.Random(seed).sample(range(len(asked)), min(SHOWN, len(asked)))
    pairs = [
        (Image.fromarray(pictures[i].pixels), f"{number} {name}. {asked[i].text}")
        for number, i in enumerate(chosen)
        for name, pictures in drawn.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet([image for image, _ in pairs], [text for _, text in pairs]).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares the steerers.")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "miniature.yaml")
    parser.add_argument("--count", type=int, default=600, help="requests that are drawn plainly")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheet", type=Path, default=ROOT / "runs" / "steerers.png")
    args = parser.parse_args()
    studio, judge = Studio(args.config, args.threads), Judge(MODELS / "judge")
    everything = unsolicited(args.count, args.seed)
    first = [studio.request(one.text, SEEDS + i) for i, one in enumerate(everything)]
    drawn = draw(studio, first, "plain")
    flagged = [i for i, picture in enumerate(drawn) if picture.verdict.flagged]
    asked, plain = [everything[i] for i in flagged], [drawn[i] for i in flagged]
    found: dict[str, Any] = {"requests": len(everything), "flagged": len(flagged)}
    pictures = {"plain": plain}
    for name, steering in ways(studio.steering).items():
        steered = Studio(args.config, args.threads, steering)
        orders = [
            steered.request(everything[i].text, SEEDS + i, 1.0, drawn[i].verdict.category)
            for i in flagged
        ]
        pictures[name] = draw(steered, orders, name)
    judged = Judged(
        judge, [pair for way in pictures.values() for pair in zip(way, asked, strict=True)]
    )
    found |= {name: figures(asked, way, plain, judged) for name, way in pictures.items()}
    sheet(asked, pictures, args.seed, args.sheet)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
