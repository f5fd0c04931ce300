"""The training set: drawn once, encoded when first needed, kept under `.cache/training`."""

import hashlib
import json
import multiprocessing
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from deployments.embedded.folders import made_once
from training.world.captions import Split
from training.world.faults import FaultRates
from training.world.sample import draw

SIZE = 64
CHUNK = 500
"""Examples drawn from one random stream. Any number of workers gives the same set."""


@dataclass(frozen=True)
class Pictures:
    """Drawn examples: `pixels` (n, 64, 64, 3) uint8 on disk, `captions` in the same order."""

    folder: Path
    pixels: NDArray[np.uint8]
    captions: Sequence[str]

    def batch(self, indices: NDArray[np.int64]) -> Tensor:
        """(len(indices), 3, 64, 64) float32 in [-1, 1]."""
        pixels = torch.from_numpy(self.pixels[indices])
        return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def pictures(
    cache: Path, seed: int, count: int, split: Split = "train", workers: int = 2
) -> Pictures:
    """The first `count` examples of a seed and split under the world's default rates."""
    key = hashlib.sha256(repr(FaultRates()).encode()).hexdigest()[:8]
    folder = cache / f"pictures-{split}-{seed}-{count}-{key}"
    made_once(folder, lambda target: _draw_all(target, seed, count, split, workers))
    captions = json.loads((folder / "captions.json").read_text(encoding="utf-8"))
    return Pictures(folder, np.load(folder / "pixels.npy", mmap_mode="r"), captions)


def _draw_all(target: Path, seed: int, count: int, split: Split, workers: int) -> None:
    shape = (count, SIZE, SIZE, 3)
    pixels = np.lib.format.open_memmap(target / "pixels.npy", "w+", np.uint8, shape)
    captions: list[str] = []
    jobs = [(seed, start, min(CHUNK, count - start), split) for start in range(0, count, CHUNK)]
    with multiprocessing.Pool(workers) as pool, tqdm(total=count, desc="drawing") as bar:
        for drawn, texts in pool.imap(_draw_chunk, jobs):
            pixels[len(captions) : len(captions) + len(texts)] = drawn
            captions += texts
            bar.update(len(texts))
    pixels.flush()
    (target / "captions.json").write_text(json.dumps(captions), encoding="utf-8")


def _draw_chunk(job: tuple[int, int, int, Split]) -> tuple[NDArray[np.uint8], list[str]]:
    seed, start, count, split = job
    rng = random.Random(f"{seed}-{split}-{start}")
    examples = [draw(rng, FaultRates(), split) for _ in range(count)]
    return np.stack([e.render() for e in examples]), [e.caption.text for e in examples]


class Encoded:
    """Rows computed when first asked for and kept in float16 on disk, across runs.

    `encode` takes row numbers, (k,) int64, and gives their values, (k, *shape) float.
    """

    def __init__(
        self,
        folder: Path,
        count: int,
        shape: tuple[int, ...],
        encode: Callable[[NDArray[np.int64]], Tensor],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._rows = _array(folder / "rows.npy", np.float16, (count, *shape))
        self._known = _array(folder / "known.npy", np.bool_, (count,))
        self._encode = encode

    def __len__(self) -> int:
        return len(self._known)

    def __getitem__(self, indices: NDArray[np.int64]) -> Tensor:
        """(len(indices), *shape) float32."""
        new = indices[~self._known[indices]]
        if len(new):
            self._rows[new] = self._encode(new).float().numpy()
            self._known[new] = True
        return torch.from_numpy(self._rows[indices].astype(np.float32))


def _array(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> np.memmap:
    if path.is_file():
        return np.lib.format.open_memmap(path, "r+")
    return np.lib.format.open_memmap(path, "w+", dtype, shape)
