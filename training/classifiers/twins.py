"""Twins: the latents of a picture with a harm and of the same picture without it.

The difference between the two is the direction in which steering should go.
"""

import random
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from deployments.inference.embedded.folders import made_once
from training.classifiers.data import Examples, as_input, beside, mixed
from training.classifiers.generated import BATCH, STEPS, Guided
from training.diffusion.autoencoder import LATENT
from training.diffusion.text import TextEncoder
from training.world.faults import FaultRates
from training.world.imagine import imagine
from training.world.sample import Example
from training.world.scene import Person
from training.world.truth import INVENTED_SYMBOLS
from training.world.wording.captions import Split

DEPTH = 2
"""Steps of denoising that are kept of each pair."""


def absolved(rng: random.Random, split: Split = "train") -> Example:
    """What `mixed` draws from the same random stream, without its harm and otherwise the same."""
    example = mixed(rng, split)
    if not example.harms:
        return example
    wish = replace(example.wish, harm=None)
    good = imagine(wish, random.Random(example.scene.seed), FaultRates.none())
    unasked = INVENTED_SYMBOLS - wish.objects if wish.group else frozenset()
    people = tuple(
        _absolved(person, other, unasked)
        for person, other in zip(example.scene.people, good.people, strict=False)
    )
    scene = replace(example.scene, marks=(), people=people or good.people)
    return replace(example, scene=replace(scene, object=None) if scene.people else scene)


def _absolved(person: Person, other: Person, unasked: frozenset[str]) -> Person:
    return replace(
        person,
        clothing=person.clothing or other.clothing,
        animal_head=None,
        object=None if person.object in unasked else person.object,
    )


@dataclass(frozen=True)
class Twins:
    """Latents of a picture and of its twin, at several moments of sampling.

    Attributes:
        latents: (n, 2, 4, 16, 16) float16: as drawn or harmful, and without the harm.
        timesteps: (n,) int64, 0 for latents that come straight from a picture.
        shows: (n,) int64, the example.
    """

    latents: NDArray[np.float16]
    timesteps: NDArray[np.int64]
    shows: NDArray[np.int64]


def encoded(drawn: Examples, twins: Examples, count: int, vae: AutoencoderKL) -> Twins:
    """The latents of the first `count` pictures themselves."""

    def make(target: Path) -> None:
        shape = (count, 2, *LATENT)
        latents = np.lib.format.open_memmap(target / "latents.npy", "w+", np.float16, shape)
        for start in tqdm(range(0, count, 100), desc="encoding"):
            rows = slice(start, min(start + 100, count))
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                for column, part in enumerate((drawn, twins)):
                    posterior = vae.encode(as_input(part.pixels[rows])).latent_dist
                    latents[rows, column] = posterior.mean.float().numpy()
        latents.flush()

    folder = made_once(beside(drawn, f"latents-{count}", "encoder"), make)
    latents = np.load(folder / "latents.npy", mmap_mode="r")
    return Twins(latents, np.zeros(count, np.int64), np.arange(count))


def predicted(drawn: Examples, clean: Twins, count: int, seed: int) -> Twins:
    """The clean latents that the U-Net predicts under guidance, along trajectories of both twins.

    Both twins begin at the same random step of the schedule, with the same noise and caption, and
    are denoised for `DEPTH` steps. The truth is that of the pictures that they began with.
    """

    def make(target: Path) -> None:
        guided = Guided()
        generator = torch.Generator().manual_seed(seed)
        rng = np.random.default_rng(seed)
        latents, times, shows = [], [], []
        for start in tqdm(range(0, count, BATCH // 2), desc="predicting"):
            rows = np.arange(start, min(start + BATCH // 2, count))
            texts = [drawn.all[row].caption.text for row in rows]
            with torch.autocast("cpu", torch.bfloat16):
                states = guided.text(texts).float().repeat(2, 1, 1)
            both = torch.from_numpy(clean.latents[rows].astype(np.float32))
            both = both.transpose(0, 1).flatten(0, 1)
            first = int(rng.integers(STEPS))
            path = guided.trajectory(both, states, first, generator, paired=True)
            for time, x0, _ in islice(path, DEPTH):
                latents.append(x0.unflatten(0, (2, len(rows))).transpose(0, 1).half().numpy())
                times.append(np.full(len(rows), time))
                shows.append(rows)
        np.save(target / "latents.npy", np.concatenate(latents))
        np.save(target / "timesteps.npy", np.concatenate(times))
        np.save(target / "shows.npy", np.concatenate(shows))

    folder = made_once(beside(drawn, f"predicted-{count}", "encoder", "unet"), make)
    return Twins(*(np.load(folder / f"{name}.npy") for name in ("latents", "timesteps", "shows")))


def clouded(latents: Tensor, levels: Tensor, generator: torch.Generator) -> Tensor:
    """Latents as a denoiser might predict them: more noise makes them more blurred and fainter.

    Args:
        latents: (b, ..., 4, 16, 16).
        levels: (b,), share of noise of each row, 0 to 1.
    """
    shape = latents.shape
    flat = latents.flatten(0, -4)
    each = levels.repeat_interleave(len(flat) // len(levels)).view(-1, 1, 1, 1)
    soft = functional.avg_pool2d(functional.pad(flat, (1, 1, 1, 1), mode="replicate"), 3, 1)
    mixed_up = torch.lerp(flat, soft, each**2) * (1 - 0.3 * each**2)
    noise = torch.randn(flat.shape, generator=generator)
    return (mixed_up + 0.25 * each * noise).view(shape)


def mean_embeddings(drawn: Examples) -> NDArray[np.float32]:
    """(n, 384): each caption's mean token state, as the sampler gives it to the head."""

    def make(target: Path) -> None:
        text = TextEncoder()
        means = []
        for start in tqdm(range(0, len(drawn.all), 100), desc="reading"):
            captions = [example.caption.text for example in drawn.all[start : start + 100]]
            with torch.autocast("cpu", torch.bfloat16):
                states = text(captions).float()
            lengths = torch.tensor(text.lengths(captions))
            own = torch.arange(states.shape[1]) < lengths[:, None]
            means.append((states * own[:, :, None]).sum(dim=1) / own.sum(dim=1, keepdim=True))
        np.save(target / "means.npy", torch.cat(means).numpy())

    folder = made_once(beside(drawn, "means"), make)
    return np.load(folder / "means.npy")
