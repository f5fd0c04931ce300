"""Pools: pictures of known truth by how they were made, and batches picked from several of them.

What a denoiser makes does not look like what the world draws. So a model is trained on pictures as
drawn, on pictures that went through the autoencoder, and on pictures that the U-Net has half made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from tqdm import tqdm

from deployments.inference.embedded.folders import made_once
from training.classifiers.data import Examples, as_input, as_pixels, autoencoder, beside
from training.classifiers.generated import generated
from training.paths import MODELS

DECODED, NOISE = 12_000, 0.2
"""Number of pictures that also go through the autoencoder, and the most noise that their latents
get: beyond it small things are gone from the picture and the truth with them."""


@dataclass(frozen=True)
class Pool:
    """Pictures of known truth: pixels (n, 64, 64, 3), and which example each shows."""

    pixels: NDArray[np.uint8]
    shows: NDArray[np.int64]


def pools(drawn: Examples, remade: int, seed: int) -> tuple[list[Pool], list[float]]:
    """Pools of drawn pictures and of what the autoencoder and the U-Net make of some, and weights.

    `remade` pictures go through the U-Net, up to seven of its calls each; 0 leaves it out.
    """
    every = np.arange(len(drawn.all))
    found, weights = [Pool(drawn.pixels, every)], [0.4]
    if (MODELS / "vae" / "config.json").is_file():
        vae = autoencoder()
        count = min(DECODED, len(every))
        file = decoded(drawn, count, vae, NOISE, seed)
        found.append(Pool(np.load(file, mmap_mode="r"), every[:count]))
        weights.append(0.3)
        if count := min(remade, len(every)):
            file = generated(drawn, count, vae, seed)
            found.append(Pool(np.load(file, mmap_mode="r"), every[:count]))
            weights.append(0.3)
    return found, weights


def picked(
    pools: Sequence[Pool], weights: NDArray[np.float64], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Picks pictures at random from all pools.

    Args:
        weights: (pools,), probabilities.

    Returns:
        (size,) the example that each picture shows, and (size, 64, 64, 3) uint8 pixels.
    """
    shows, pixels = [], []
    for pool, count in zip(pools, rng.multinomial(size, weights), strict=True):
        rows = np.sort(rng.integers(len(pool.shows), size=count))
        shows.append(pool.shows[rows])
        pixels.append(pool.pixels[rows])
    return np.concatenate(shows), np.concatenate(pixels)


def decoded(drawn: Examples, count: int, vae: AutoencoderKL, noise: float, seed: int) -> Path:
    """The first `count` pictures as `through_autoencoder` gives them."""
    folder = beside(drawn, f"decoded-{count}-{noise}", "vae")
    return through_autoencoder(drawn.pixels[:count], vae, noise, seed, folder)


def through_autoencoder(
    pixels: NDArray[np.uint8], vae: AutoencoderKL, noise: float, seed: int, folder: Path
) -> Path:
    """Encodes and decodes pictures (n, 64, 64, 3) where the autoencoder is, in batches of 100.

    Args:
        noise: the highest standard deviation of Gaussian noise on the latents; each picture has its
            own, drawn uniformly from 0 to this.

    Returns:
        the file of pixels in `folder`, (n, 64, 64, 3) uint8, made once.
    """

    def make(target: Path) -> None:
        generator = torch.Generator().manual_seed(seed)
        made = np.lib.format.open_memmap(target / "pixels.npy", "w+", np.uint8, pixels.shape)
        for start in tqdm(range(0, len(pixels), 100), desc="decoding"):
            rows = slice(start, start + 100)
            with torch.inference_mode(), torch.autocast(vae.device.type, torch.bfloat16):
                given = as_input(pixels[rows]).to(vae.device)
                latents = vae.encode(given).latent_dist.mean
                levels = noise * torch.rand(len(latents), 1, 1, 1, generator=generator)
                added = levels * torch.randn(latents.shape, generator=generator)
                made[rows] = as_pixels(vae.decode(latents + added.to(vae.device)).sample)
        made.flush()

    return made_once(folder, make) / "pixels.npy"
