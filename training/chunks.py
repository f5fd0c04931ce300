"""Draws data sets in chunks. Each chunk has its own random stream, so that the number of worker
processes does not change what is drawn."""

import multiprocessing
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from tqdm import tqdm

from training.world.wording.captions import Split

Drawn = TypeVar("Drawn")
SIZE = 500


@dataclass(frozen=True)
class Chunk:
    """Examples `start` to `start + count` of the data set of a seed and split."""

    seed: int
    split: Split
    start: int
    count: int

    def stream(self, name: str) -> random.Random:
        """The random stream of this chunk, for a kind of data set."""
        return random.Random(f"{name}-{self.seed}-{self.split}-{self.start}")

    @property
    def rows(self) -> slice:
        """The chunk's rows in arrays of the whole data set."""
        return slice(self.start, self.start + self.count)


def drawn_in_chunks(
    draw: Callable[[Chunk], Drawn], seed: int, count: int, split: Split, workers: int
) -> Iterator[tuple[Chunk, Drawn]]:
    """Draws each chunk in a worker process and shows a progress bar.

    Args:
        draw: picklable; chunk -> its examples.

    Yields:
        each chunk, in order, and what `draw` returned for it.
    """
    starts = range(0, count, SIZE)
    chunks = [Chunk(seed, split, start, min(SIZE, count - start)) for start in starts]
    with multiprocessing.Pool(workers) as pool, tqdm(total=count, desc="drawing") as bar:
        for chunk, drawn in zip(chunks, pool.imap(draw, chunks), strict=True):
            yield chunk, drawn
            bar.update(chunk.count)
