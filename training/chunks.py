"""Sets drawn in chunks, each from a random stream of its own: any number of workers draws the
same."""

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
    """Examples `start` to `start + count` of the set of a seed and split."""

    seed: int
    split: Split
    start: int
    count: int

    def stream(self, name: str) -> random.Random:
        """The random stream of this chunk, for a kind of set."""
        return random.Random(f"{name}-{self.seed}-{self.split}-{self.start}")

    @property
    def rows(self) -> slice:
        return slice(self.start, self.start + self.count)


def drawn_in_chunks(
    draw: Callable[[Chunk], Drawn], seed: int, count: int, split: Split, workers: int
) -> Iterator[tuple[Chunk, Drawn]]:
    """What `draw`, which must be picklable, makes of each chunk, in order, with a progress bar."""
    starts = range(0, count, SIZE)
    chunks = [Chunk(seed, split, start, min(SIZE, count - start)) for start in starts]
    with multiprocessing.Pool(workers) as pool, tqdm(total=count, desc="drawing") as bar:
        for chunk, drawn in zip(chunks, pool.imap(draw, chunks), strict=True):
            yield chunk, drawn
            bar.update(chunk.count)
