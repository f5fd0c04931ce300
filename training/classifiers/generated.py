"""Pictures of known truth that the U-Net has half made (SDEdit, arXiv:2108.01073).

A drawn picture's latent is noised for part of the schedule and denoised again with its caption
under guidance. The result looks like the denoiser's work and shows what the drawn picture shows.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from deployments.inference.embedded.folders import made_once
from training.classifiers.data import Examples, as_input, as_pixels, beside
from training.diffusion.text import TextEncoder
from training.paths import MODELS

STEPS = 20
GUIDANCE = 5.0
BATCH = 64


class Guided:
    """The shipped U-Net under classifier-free guidance, as the pipeline samples with it."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)
        unet = UNet2DConditionModel.from_pretrained(MODELS / "unet", torch_dtype=torch.float32)
        self.unet = unet.eval().to(self.device)
        self.scheduler = DDIMScheduler.from_pretrained(MODELS / "scheduler")
        self.scheduler.set_timesteps(STEPS)
        self.text = TextEncoder(device)
        self.empty = self.text([""])

    @torch.inference_mode()
    def output(self, noisy: Tensor, timestep: Tensor, states: Tensor) -> Tensor:
        """Guided v for latents (b, 4, 16, 16), text states (b, 64, 384) and a scalar timestep."""
        both = torch.cat([self.empty.expand(len(states), -1, -1), states])
        with torch.autocast(self.device.type, torch.bfloat16):
            v = self.unet(torch.cat([noisy, noisy]), timestep, both).sample.float()
        away, towards = v.chunk(2)
        return away + GUIDANCE * (towards - away)

    def trajectory(
        self,
        latents: Tensor,
        states: Tensor,
        first: int,
        generator: torch.Generator,
        paired: bool = False,
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Denoises `latents`, (b, 4, 16, 16), noised to the schedule's step `first`, to the end.

        With `paired`, the second half of the rows gets the same noise as the first half.

        Yields:
            the timestep, the predicted clean latent there, and the latent after the step.
        """
        times = self.scheduler.timesteps[first:]
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        if paired:
            noise = noise[: len(noise) // 2].repeat(2, 1, 1, 1)
        noisy = self.scheduler.add_noise(latents, noise, times[:1].expand(len(latents)))
        for time in times:
            step = self.scheduler.step(self.output(noisy, time, states), time, noisy)
            noisy = step.prev_sample
            yield int(time), step.pred_original_sample, noisy


def generated(drawn: Examples, count: int, vae: AutoencoderKL, seed: int) -> Path:
    """The first `count` pictures, each re-made by the U-Net.

    Returns:
        the file of pixels, (count, 64, 64, 3) uint8.
    """
    captions = [example.caption.text for example in drawn.all[:count]]
    folder = beside(drawn, f"generated-{count}", "vae", "unet")
    return remade(drawn.pixels[:count], captions, vae, seed, folder)


def remade(
    pixels: NDArray[np.uint8],
    captions: Sequence[str],
    vae: AutoencoderKL,
    seed: int,
    folder: Path,
) -> Path:
    """Re-makes pictures, (n, 64, 64, 3) uint8, by the U-Net on the autoencoder's device.

    Each is noised and denoised through the last 15 to 35 % of the schedule.

    Returns:
        the file of pixels in `folder`, (n, 64, 64, 3) uint8, made once.
    """

    def make(target: Path) -> None:
        device = str(vae.device)
        batch = BATCH if vae.device.type == "cpu" else 8 * BATCH
        guided = Guided(device)
        generator = torch.Generator().manual_seed(seed)
        made = np.lib.format.open_memmap(target / "pixels.npy", "w+", np.uint8, pixels.shape)
        for number, start in enumerate(tqdm(range(0, len(pixels), batch), desc="generating")):
            rows = slice(start, start + batch)
            with torch.inference_mode(), torch.autocast(vae.device.type, torch.bfloat16):
                given = as_input(pixels[rows]).to(device)
                latents = vae.encode(given).latent_dist.mean.float()
                states = guided.text(captions[rows]).float()
            first = STEPS - 3 - number % 5
            for _, _, after in guided.trajectory(latents, states, first, generator):
                latents = after
            with torch.inference_mode(), torch.autocast(vae.device.type, torch.bfloat16):
                made[rows] = as_pixels(vae.decode(latents).sample)
        made.flush()

    return made_once(folder, make) / "pixels.npy"
