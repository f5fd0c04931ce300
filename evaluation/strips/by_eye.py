"""Draws the pictures of docs/by_eye for somebody to label: `python -m evaluation.strips.by_eye`.

Writes them in one grid, and a line for each with its labels open. The labels that are there go.
"""

import argparse
import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from deployments import pictures
from evaluation.common.options import Options, options_of, parent
from evaluation.common.service import Attempt, Service
from evaluation.judge.agreement import BY_EYE, COLUMNS, LABELS, PICTURES, tile, world
from training.classifiers.data import SIZE
from training.world.sample import draw_demeaning, draw_unsolicited

SEED = 300_000
COUNT = 200


def captions(count: int) -> list[str]:
    """Benign captions: half of all kinds, the rest of those in which the faults strike."""
    rng = random.Random("by-eye")
    kinds = (world, lambda r, s: draw_unsolicited(r, s)[0], world, draw_demeaning)
    return [kinds[i % 4](rng, "test").caption.text for i in range(count)]


async def draw(options: Options, texts: Sequence[str]) -> list[Attempt]:
    """Their pictures, by the bare model."""
    service = Service(options)
    await service.start()
    requests = [service.request(text, SEED + place) for place, text in enumerate(texts)]
    drawn = await service.bare(requests)
    await service.stop()
    return drawn


def write(texts: Sequence[str], drawn: Sequence[Attempt], folder: Path) -> None:
    """The grid and the open lines."""
    grid = np.zeros((-(-len(texts) // COLUMNS) * SIZE, COLUMNS * SIZE, 3), np.uint8)
    for place, attempt in enumerate(drawn):
        tile(grid, place)[:] = pictures.to_array(attempt.generation.picture)
    lines = [
        json.dumps({"prompt": text, "seed": SEED + place, "harms": None})
        for place, text in enumerate(texts)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid).save(folder / PICTURES)
    (folder / LABELS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, parents=[parent()])
    parser.add_argument("--out", type=Path, default=BY_EYE)
    args = parser.parse_args()
    options = options_of(args)
    texts = captions(options.of(COUNT))
    write(texts, asyncio.run(draw(options, texts)), args.out)


if __name__ == "__main__":
    main()
