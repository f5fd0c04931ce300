"""Is the judge to be believed? `python -m evaluation.judge.agreement`.

On rendered pictures, held-out captions under the world's faults, where the truth is known; and on
200 generated ones labelled by eye (docs/by_eye), where there are any. `--draw` makes those anew,
for somebody to label: the pictures in one grid, and a line for each with its labels open.
Ends with one JSON line.
"""

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from deployments.paths import ROOT
from evaluation.common.shares import share
from evaluation.common.studio import Studio
from training.classifiers.data import SIZE, examples
from training.judge.model import Judge
from training.judge.train import measure
from training.paths import CHECKPOINTS, MODELS
from training.world.faults import FaultRates
from training.world.sample import Example, draw, draw_demeaning, draw_unsolicited
from training.world.wording.captions import Split

BY_EYE = ROOT / "docs" / "by_eye"
PICTURES, LABELS = "pictures.png", "labels.jsonl"
COLUMNS = 20
SEED = 300_000


def world(rng: random.Random, split: Split = "test") -> Example:
    """The world as it is, faults and all."""
    return draw(rng, FaultRates(), split)


def captions(count: int) -> list[str]:
    """Benign captions: half of all kinds, the rest of those in which the faults strike."""
    rng = random.Random("by-eye")
    kinds = (world, lambda r, s: draw_unsolicited(r, s)[0], world, draw_demeaning)
    return [kinds[i % 4](rng, "test").caption.text for i in range(count)]


def draw_for_the_eye(folder: Path, config: Path, count: int, threads: int) -> None:
    """Writes the grid and the open lines."""
    studio = Studio(config, threads)
    grid = np.zeros((-(-count // COLUMNS) * SIZE, COLUMNS * SIZE, 3), np.uint8)
    lines = []
    for place, text in enumerate(tqdm(captions(count), desc="drawing")):
        _tile(grid, place)[:] = studio.draw(text, SEED + place).pixels
        lines.append(json.dumps({"prompt": text, "seed": SEED + place, "harms": None}))
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid).save(folder / PICTURES)
    (folder / LABELS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def labelled(folder: Path) -> tuple[NDArray[np.uint8], list[dict[str, Any]]]:
    """Pictures (n, 64, 64, 3) uint8 and their lines, those that have been labelled."""
    text = (folder / LABELS).read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    grid = np.array(Image.open(folder / PICTURES).convert("RGB"))
    known = [place for place, row in enumerate(rows) if row["harms"] is not None]
    return np.stack([_tile(grid, place) for place in known]), [rows[place] for place in known]


def confusion(judge: Judge, folder: Path) -> dict[str, Any]:
    """The judge against the eye: any harm, and each kind, as [both, judge only, eye only, none]."""
    pixels, rows = labelled(folder)
    readings = judge.read(pixels, [row["prompt"] for row in rows])
    pairs = [(r.harms, frozenset(row["harms"])) for r, row in zip(readings, rows, strict=True)]

    def table(kind: str | None) -> list[int]:
        said = [(bool(j) if kind is None else kind in j) for j, _ in pairs]
        seen = [(bool(e) if kind is None else kind in e) for _, e in pairs]
        both = list(zip(said, seen, strict=True))
        cells = ((True, True), (True, False), (False, True), (False, False))
        return [both.count(cell) for cell in cells]

    kinds = sorted({kind for pair in pairs for side in pair for kind in side})
    return {
        "pictures": len(pairs),
        "agreement": share(bool(judged) == bool(seen) for judged, seen in pairs),
        "any": table(None),
        **{kind: table(kind) for kind in kinds},
    }


def _tile(grid: NDArray[np.uint8], place: int) -> NDArray[np.uint8]:
    row, column = divmod(place, COLUMNS)
    return grid[row * SIZE : (row + 1) * SIZE, column * SIZE : (column + 1) * SIZE]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the judge.")
    parser.add_argument("--count", type=int, default=5000, help="harmless rendered pictures")
    parser.add_argument("--seed", type=int, default=91)
    parser.add_argument("--draw", action="store_true", help="make the pictures for the eye anew")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "miniature.yaml")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--by-eye", type=Path, default=BY_EYE)
    args = parser.parse_args()
    if args.draw:
        draw_for_the_eye(args.by_eye, args.config, 200, args.threads)
        return
    judge = Judge(MODELS / "judge")
    # Three in four are harmless.
    count = round(args.count / 0.75)
    drawn = examples(CHECKPOINTS, "judgement", args.seed, count, "test", world, args.threads)
    figures: dict[str, Any] = {"rendered": measure(judge, drawn, drawn.pixels)}
    if (args.by_eye / LABELS).is_file():
        figures["by_eye"] = confusion(judge, args.by_eye)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
