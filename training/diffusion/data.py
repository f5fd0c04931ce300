"""The training set: drawn once, encoded when first needed, kept under `.cache/training`."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from deployments.inference.embedded.folders import made_once
from training.chunks import Chunk, drawn_in_chunks
from training.world.drawing.pen import Box
from training.world.drawing.renderer import paint
from training.world.faults import FaultRates
from training.world.sample import draw
from training.world.wording.captions import Split

SIZE = 64
CELLS = 16
"""Cells of a latent along each side (`autoencoder.LATENT`)."""
BOX_WEIGHT = 100.0
"""Weight of one person, thing or mark in the loss, over all its cells; a cell has 1 besides."""

_ARRAYS = ("pixels.npy", "weights.npy")


@dataclass(frozen=True)
class Pictures:
    """Drawn examples; the arrays are on disk, `captions` are in the same order.

    Attributes:
        pixels: (n, 64, 64, 3) uint8.
        weights: (n, 16, 16) float16, mean 1 per picture: weight of each cell in the loss. A held
            cup fills a twentieth of a picture and is half of what its caption asks for.
    """

    folder: Path
    pixels: NDArray[np.uint8]
    weights: NDArray[np.float16]
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
    folder = cache / f"drawn-{split}-{seed}-{count}-{key}"
    made_once(folder, lambda target: _draw_all(target, seed, count, split, workers))
    captions = json.loads((folder / "captions.json").read_text(encoding="utf-8"))
    pixels, weights = (np.load(folder / name, mmap_mode="r") for name in _ARRAYS)
    return Pictures(folder, pixels, weights, captions)


def _draw_all(target: Path, seed: int, count: int, split: Split, workers: int) -> None:
    pixels = _array(target / _ARRAYS[0], np.uint8, (count, SIZE, SIZE, 3))
    weights = _array(target / _ARRAYS[1], np.float16, (count, CELLS, CELLS))
    captions: list[str] = []
    for chunk, part in drawn_in_chunks(_draw_chunk, seed, count, split, workers):
        pixels[chunk.rows], weights[chunk.rows], texts = part
        captions += texts
    pixels.flush()
    weights.flush()
    (target / "captions.json").write_text(json.dumps(captions), encoding="utf-8")


def _draw_chunk(chunk: Chunk) -> tuple[NDArray[np.uint8], NDArray[np.float16], list[str]]:
    rng = chunk.stream("pictures")
    examples = [draw(rng, FaultRates(), chunk.split) for _ in range(chunk.count)]
    painted = [paint(e.scene, SIZE) for e in examples]
    return (
        np.stack([pixels for pixels, _ in painted]),
        np.stack([cell_weights(boxes) for _, boxes in painted]),
        [e.caption.text for e in examples],
    )


def cell_weights(boxes: Sequence[Box]) -> NDArray[np.float16]:
    """(16, 16), mean 1: `BOX_WEIGHT` spread over each box's cells, beside 1 for every cell.

    Boxes are (left, top, right, bottom) in pixels; parts outside the picture are left out.
    """
    weights = np.ones((CELLS, CELLS))
    for box in boxes:
        left, top, right, bottom = (round(side * CELLS / SIZE) for side in box)
        rows = slice(max(0, top), max(0, bottom, top + 1))
        columns = slice(max(0, left), max(0, right, left + 1))
        inside = weights[rows, columns]
        inside += BOX_WEIGHT / max(1, inside.size)
    return (weights / weights.mean()).astype(np.float16)


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
            self._rows[new] = self._encode(new).float().cpu().numpy()
            self._known[new] = True
        return torch.from_numpy(self._rows[indices].astype(np.float32))


class Resident:
    """Rows as `Encoded` has them, all computed at the start and kept in float16 on a device."""

    def __init__(
        self,
        count: int,
        encode: Callable[[NDArray[np.int64]], Tensor],
        device: torch.device,
        batch: int = 1000,
    ) -> None:
        starts = tqdm(range(0, count, batch), desc="encoding")
        parts = (encode(np.arange(start, min(start + batch, count))) for start in starts)
        self._rows = torch.cat([part.to(device, torch.float16) for part in parts])

    def __getitem__(self, indices: NDArray[np.int64]) -> Tensor:
        """(len(indices), *shape) float32, on the device."""
        return self._rows[torch.from_numpy(indices).to(self._rows.device)].float()


def _array(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> np.memmap:
    if path.is_file():
        return np.lib.format.open_memmap(path, "r+")
    return np.lib.format.open_memmap(path, "w+", dtype, shape)
