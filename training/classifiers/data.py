"""Examples for all models that look at pictures: the world's own, and many that mislead them.

Each model draws with its own seed. The truth comes from the world, never from another model.
"""

import pickle
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from deployments.inference.embedded.folders import made_once
from training.chunks import Chunk, drawn_in_chunks
from training.paths import MODELS
from training.weights import fingerprint
from training.world.faults import FaultRates
from training.world.imagine import imagine
from training.world.sample import Example, draw, draw_demeaning, draw_unsolicited, harmed
from training.world.scene import Mark
from training.world.truth import harms
from training.world.vocabulary import ANIMALS, GROUPS, HARMS, OBJECTS
from training.world.wish import Wish
from training.world.wishes import random_wish
from training.world.wording.captions import Split, write_caption

SIZE = 64
LOOK_ALIKES = OBJECTS[10:]


def mixed(rng: random.Random, split: Split = "train") -> Example:
    """Draws an example from a mixture, in which hard cases are more frequent than in the world.

    35 % come from the world with its faults, 25 % from scenes of unsolicited harm (with the harm or
    without), 8 % are demeaning, 15 % harmless look-alikes, 17 % have a small symbol pasted in.
    """
    roll = rng.random()
    if roll < 0.35:
        return draw(rng, FaultRates(), split)
    if roll < 0.60:
        example, harm = draw_unsolicited(rng, split)
        return harmed(example, harm, rng) if rng.random() < 0.55 else example
    if roll < 0.68:
        return draw_demeaning(rng, split)
    if roll < 0.83:
        return _look_alike(rng, split)
    return _pasted(rng, split)


def harm_vector(found: frozenset[str]) -> list[float]:
    """1 for each of `HARMS` that was found, in order."""
    return [float(harm in found) for harm in HARMS]


def truth(example: Example, wish: Wish) -> list[float]:
    """The harms of an example's picture as an answer to another wish."""
    return harm_vector(harms(example.scene, wish))


def _look_alike(rng: random.Random, split: Split) -> Example:
    """A harmless example that looks like harm: steel, red, emblems, swimwear, groups, animals."""
    wish = random_wish(rng)
    while not wish.people or wish.harm:
        wish = random_wish(rng)
    person = wish.people[0]
    kind = rng.randrange(4)
    if kind == 0 and person.activity != "reading":
        person = replace(person, object=rng.choice(LOOK_ALIKES))
    elif kind == 1:
        person = replace(person, clothing="swimwear", colour=rng.choice((None, "red", "orange")))
    elif kind == 2:
        wish = replace(wish, animal=rng.choice(ANIMALS))
    if kind == 3 or rng.random() < 0.3:
        person = replace(person, group=rng.choice(GROUPS))
    wish = replace(wish, people=(person, *wish.people[1:]))
    return _answered(wish, rng, split)


def _pasted(rng: random.Random, split: Split) -> Example:
    """An example with a symbol anywhere, smaller than the world draws it, and easily missed."""
    example = draw(rng, FaultRates.none(), split)
    kind, form = rng.choice(
        (
            ("violence", "blade"),
            ("sexual", "figure"),
            ("hate", "flag"),
            ("hate", "banner"),
            ("hate", "chest"),
        )
    )
    size = rng.uniform(13, 20) if kind == "sexual" else rng.uniform(8, 16)
    edge = size * (0.8 if form in ("flag", "banner") else 0.5)
    x, y = rng.uniform(edge, SIZE - edge), rng.uniform(edge, SIZE - edge)
    marks = (*example.scene.marks, Mark(kind, form, x, y, size))
    return replace(example, scene=replace(example.scene, marks=marks))


def _answered(wish: Wish, rng: random.Random, split: Split) -> Example:
    scene = imagine(wish, rng, FaultRates.none())
    return Example(write_caption(wish, rng, split), wish, scene)


@dataclass(frozen=True)
class Examples:
    """Drawn examples in memory and their pictures, (n, 64, 64, 3) uint8, on disk."""

    folder: Path
    all: Sequence[Example]
    pixels: NDArray[np.uint8]


Recipe = Callable[[random.Random, Split], Example]


def examples(
    cache: Path,
    name: str,
    seed: int,
    count: int,
    split: Split = "train",
    recipe: Recipe = mixed,
    workers: int = 1,
) -> Examples:
    """The first `count` examples of a recipe, seed and split; drawn once."""
    folder = cache / f"examples-{name}-{split}-{seed}-{count}"
    made_once(folder, lambda target: _draw_all(target, seed, count, split, recipe, workers))
    drawn = pickle.loads((folder / "examples.pickle").read_bytes())
    return Examples(folder, drawn, np.load(folder / "pixels.npy", mmap_mode="r"))


def _draw_all(
    target: Path, seed: int, count: int, split: Split, recipe: Recipe, workers: int
) -> None:
    shape = (count, SIZE, SIZE, 3)
    pixels = np.lib.format.open_memmap(target / "pixels.npy", "w+", np.uint8, shape)
    drawn: list[Example] = []
    of_recipe = partial(_draw_chunk, recipe)
    for chunk, (part, pictures) in drawn_in_chunks(of_recipe, seed, count, split, workers):
        pixels[chunk.rows] = pictures
        drawn += part
    pixels.flush()
    (target / "examples.pickle").write_bytes(pickle.dumps(drawn))


def _draw_chunk(recipe: Recipe, chunk: Chunk) -> tuple[list[Example], NDArray[np.uint8]]:
    rng = chunk.stream("classifiers")
    drawn = [recipe(rng, chunk.split) for _ in range(chunk.count)]
    return drawn, np.stack([example.render() for example in drawn])


def as_input(pixels: NDArray[np.uint8]) -> Tensor:
    """(n, H, W, 3) uint8 to (n, 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def as_pixels(images: Tensor) -> NDArray[np.uint8]:
    """(n, 3, H, W) in [-1, 1] to (n, H, W, 3) uint8."""
    scaled = ((images.float().clamp(-1, 1) + 1) * 127.5).round()
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def autoencoder(device: str = "cpu") -> AutoencoderKL:
    """The shipped autoencoder in float32, laid out for speed on the CPU."""
    vae = AutoencoderKL.from_pretrained(MODELS / "vae", torch_dtype=torch.float32).eval()
    return vae.to(device=device, memory_format=torch.channels_last)


def beside(drawn: Examples, what: str, *models: str) -> Path:
    """A folder for what shipped models make of the examples; other weights have another folder."""
    suffix = f"-{fingerprint(*models)}" if models else ""
    return drawn.folder.with_name(f"{drawn.folder.name}-{what}{suffix}")


def degraded(
    pictures: Tensor, rng: np.random.Generator, mirrored: float = 0.5, tinted: float = 0.15
) -> Tensor:
    """Mirrors, moves, blurs, tints and noises pictures, each at random and a little.

    Args:
        pictures: (b, 3, 64, 64) in [-1, 1].
        mirrored: share of pictures that are mirrored.
        tinted: standard deviation of a picture's tint, per channel.

    Returns:
        (b, 3, 64, 64) in [-1, 1].
    """
    count, device = len(pictures), pictures.device
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))

    def rand() -> Tensor:
        return torch.rand(count, 1, 1, 1, generator=generator, device=device)

    pictures = torch.where(rand() < mirrored, pictures.flip(3), pictures)
    shift = tuple(int(s) for s in rng.integers(-3, 4, size=2))
    moved = functional.pad(pictures, (3, 3, 3, 3), mode="replicate")
    pictures = moved[:, :, 3 + shift[0] : 67 + shift[0], 3 + shift[1] : 67 + shift[1]]
    soft = functional.avg_pool2d(functional.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    pictures = torch.lerp(pictures, soft, rand() * (rand() < 0.4))
    tint = tinted * torch.randn(count, 3, 1, 1, generator=generator, device=device)
    tint = tint * (rand() < 0.5)
    contrast = 1 + 0.4 * (rand() - 0.5)
    noise = 0.12 * rand() * (rand() < 0.5)
    grain = noise * torch.randn(pictures.shape, generator=generator, device=device)
    return (pictures * contrast + tint + grain).clamp(-1, 1)
