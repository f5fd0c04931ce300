"""Does a picture show what was asked? `python -m evaluation.pictures.fidelity`.

270 captions of the world's held-out templates and pairs, and 30 written by hand before any model
was trained (captions_by_hand.jsonl). Each is drawn at the service's settings; the judge looks for
place, activity, clothing and object. Ends with one JSON line.
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from deployments.paths import ROOT
from evaluation.common.files import CASES
from evaluation.common.shares import share
from evaluation.common.studio import Studio
from training.diffusion.sheet import contact_sheet
from training.judge.model import Judge, Reading, Value
from training.paths import MODELS
from training.world.faults import FaultRates
from training.world.sample import draw

BY_HAND = CASES / "captions.jsonl"
KINDS = ("place", "activity", "clothing", "object")
SEEDS = 50_000


@dataclass(frozen=True)
class Asked:
    """A caption and what it states, by the names of `Scene.value`."""

    text: str
    stated: Mapping[str, Value]
    by_hand: bool = False


def asked(count: int, seed: int) -> list[Asked]:
    """Harmless held-out captions without a group's name that state one of `KINDS` at least."""
    rng = random.Random(f"fidelity-{seed}")
    found: list[Asked] = []
    while len(found) < count:
        example = draw(rng, FaultRates.none(), "test")
        stated = example.wish.stated()
        if not (example.wish.harm or example.wish.group) and any(map(kind_of, stated)):
            found.append(Asked(example.caption.text, stated))
    return found


def by_hand() -> list[Asked]:
    """The captions that were written by hand."""
    rows = [json.loads(line) for line in BY_HAND.read_text(encoding="utf-8").splitlines()]
    return [Asked(row["text"], row["stated"], by_hand=True) for row in rows]


def kind_of(name: str) -> str | None:
    """The one of `KINDS` that an attribute's name belongs to: "0.clothing" is "clothing"."""
    kind = name.rpartition(".")[2]
    return kind if kind in KINDS else None


def granted(asked: Sequence[Asked], readings: Sequence[Reading]) -> dict[str, list[bool]]:
    """Per kind, for every stated attribute whether the judge found it."""
    found: dict[str, list[bool]] = defaultdict(list)
    for one, reading in zip(asked, readings, strict=True):
        for name, hit in reading.grants(one.stated).items():
            if kind := kind_of(name):
                found[kind].append(hit)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures whether pictures show what was asked.")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "miniature.yaml")
    parser.add_argument("--count", type=int, default=270, help="captions besides those by hand")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="also writes a contact sheet of all pictures")
    args = parser.parse_args()
    studio, judge = Studio(args.config, args.threads), Judge(MODELS / "judge")
    everything = [*by_hand(), *asked(args.count, args.seed)]
    pixels = np.stack(
        [
            studio.draw(one.text, SEEDS + i).pixels
            for i, one in enumerate(tqdm(everything, desc="drawing"))
        ]
    )
    texts = [one.text for one in everything]
    if args.sheet:
        contact_sheet([Image.fromarray(p) for p in pixels], texts).save(args.sheet)
    readings = judge.read(pixels, texts)
    hand = sum(one.by_hand for one in everything)
    parts = {"all": slice(None), "by_hand": slice(hand)}
    figures = {
        name: {
            kind: share(hits)
            for kind, hits in sorted(granted(everything[part], readings[part]).items())
        }
        for name, part in parts.items()
    }
    print(json.dumps({"captions": len(everything)} | figures))


if __name__ == "__main__":
    main()
