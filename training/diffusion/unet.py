"""Trains the U-Net: `python -m training.diffusion.unet --minutes 45`; `--resume` goes on.

Latent diffusion on 8x8x8 latents with v-prediction (Salimans & Ho, arXiv:2202.00512), the moving
average of whose weights is shipped at every checkpoint. What a step does depends on the seed and
its number alone, so a resumed run continues as if it had never stopped.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training.diffusion.data import Encoded, Pictures, pictures
from training.diffusion.ship import ship
from training.diffusion.text import LENGTH, WIDTH, TextEncoder
from training.loop import (
    CHECKPOINTS,
    MODELS,
    Schedule,
    load_checkpoint,
    save_checkpoint,
)

CHANNELS = (160, 224)
EMA_DECAY = 0.999
DROPOUT = 0.1
"""Share of captions replaced by the empty one, which is the unconditional branch of guidance."""


def build() -> UNet2DConditionModel:
    """An untrained U-Net, about 17 M parameters, text read at both resolutions."""
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=8,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=CHANNELS,
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=(5, 7),  # diffusers means the number of heads; each is 32 wide
        norm_num_groups=32,
    )


class Examples:
    """Latents and text states of the training set, encoded as they are first used."""

    def __init__(self, data: Pictures, vae: AutoencoderKL, text: TextEncoder) -> None:
        self._data, self._vae, self._text = data, vae.eval(), text
        count = len(data.captions)
        self.latents = Encoded(data.folder / "latents", count, (8, 8, 8), self._encode)
        self.states = Encoded(data.folder / "states", count, (LENGTH, WIDTH), self._read)
        self.empty = text([""])

    @torch.inference_mode()
    def _encode(self, indices: NDArray[np.int64]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self._vae.encode(self._data.batch(indices)).latent_dist.mean

    @torch.inference_mode()
    def _read(self, indices: NDArray[np.int64]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self._text([self._data.captions[i] for i in indices])


def order(count: int, batch: int, seed: int, step: int) -> Iterator[NDArray[np.int64]]:
    """Batches of row numbers from `step` on: a new permutation per epoch, the odd rest left out."""
    per_epoch = count // batch
    while True:
        epoch, place = divmod(step, per_epoch)
        rows = np.random.default_rng((seed, epoch)).permutation(count)
        for start in range(place * batch, per_epoch * batch, batch):
            yield np.sort(rows[start : start + batch])
            step += 1


def loss(
    model: UNet2DConditionModel,
    scheduler: DDIMScheduler,
    latents: Tensor,
    states: Tensor,
    empty: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Mean squared error of the predicted v = alpha * noise - sigma * latent, over all timesteps.

    Args:
        latents: (b, 8, 8, 8), standardised.
        states: (b, 64, 384) text states; a tenth of them is replaced by `empty`, (1, 64, 384).
    """
    count = len(latents)
    dropped = torch.rand(count, 1, 1, generator=generator) < DROPOUT
    # Stratified: one timestep per equal share of the schedule, which calms the loss.
    shares = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    times = (shares * scheduler.config.num_train_timesteps).long()
    times = times[torch.randperm(count, generator=generator)]
    noise = torch.randn(latents.shape, generator=generator)
    noisy = scheduler.add_noise(latents, noise, times)
    with torch.autocast("cpu", torch.bfloat16):
        predicted = model(noisy, times, torch.where(dropped, empty, states)).sample
    return functional.mse_loss(predicted.float(), scheduler.get_velocity(latents, noise, times))


class Training:
    """All that changes in a training: weights, their average, the optimizer, step and time."""

    def __init__(self, seed: int, path: Path) -> None:
        torch.manual_seed(seed)
        self.seed, self.path = seed, path
        self.model = build()
        self.average = build().requires_grad_(False)
        self.average.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), betas=(0.9, 0.99), weight_decay=0.01
        )
        self.step, self.elapsed = 0, 0.0

    def state(self) -> dict[str, object]:
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "elapsed": self.elapsed,
        }

    def resume(self) -> None:
        """Goes on from the checkpoint at `path`, if there is one."""
        if not self.path.is_file():
            return
        state = load_checkpoint(self.path)
        for name in ("model", "average", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.elapsed = state["step"], state["elapsed"]

    def update(self, value: Tensor, rate: float) -> None:
        """One optimizer step and its share in the moving average."""
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            targets, sources = list(self.average.parameters()), list(self.model.parameters())
            torch._foreach_lerp_(targets, sources, 1 - decay)

    def checkpoint(self, output: Path) -> None:
        """Saves everything, and ships the average."""
        save_checkpoint(self.path, self.state())
        shipped = build()
        shipped.load_state_dict(self.average.state_dict())
        ship(shipped, output)


def train(
    training: Training, examples: Examples, scheduler: DDIMScheduler, budget: Schedule, batch: int,
    output: Path, save_every: float,
) -> float:  # fmt: skip
    """Trains until the budget is spent; the smoothed loss at its end."""
    generator = torch.Generator()
    began = saved = time.monotonic()
    offset, first, smoothed = training.elapsed, training.step, 0.0
    batches = order(len(examples.latents), batch, training.seed, training.step)
    with tqdm(total=int(budget.budget), initial=int(offset), unit="s", mininterval=5) as bar:
        while training.elapsed < budget.budget:
            rows = next(batches)
            generator.manual_seed(training.seed * 2**32 + training.step)
            value = loss(
                training.model, scheduler, examples.latents[rows], examples.states[rows],
                examples.empty, generator,
            )  # fmt: skip
            training.update(value, budget.at(training.elapsed))
            training.elapsed = offset + time.monotonic() - began
            smoothed += (value.item() - smoothed) * max(0.01, 1 / (training.step - first))
            bar.update(int(training.elapsed) - bar.n)
            bar.set_postfix(step=training.step, loss=f"{smoothed:.4f}", refresh=False)
            if time.monotonic() - saved > save_every:
                saved = time.monotonic()
                training.checkpoint(output)
    training.checkpoint(output)
    return smoothed


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the miniature's latent U-Net.")
    parser.add_argument("--minutes", type=float, default=120.0, help="training time in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=4e-4, help="peak learning rate")
    parser.add_argument("--count", type=int, default=120_000, help="size of the drawn training set")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--output", type=Path, default=MODELS / "unet")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = pictures(CHECKPOINTS, args.seed, args.count, workers=args.threads)
    vae = AutoencoderKL.from_pretrained(MODELS / "vae", torch_dtype=torch.float32)
    training = Training(args.seed, CHECKPOINTS / f"unet-{args.seed}.pt")
    if args.resume:
        training.resume()
    final = train(
        training,
        Examples(data, vae, TextEncoder()),
        DDIMScheduler.from_pretrained(MODELS / "scheduler"),
        Schedule(rate=args.rate, budget=60 * args.minutes),
        args.batch,
        args.output,
        save_every=300,
    )
    figures = {"loss": final, "steps": training.step, "samples": training.step * args.batch}
    print(json.dumps(figures | {"seconds": round(training.elapsed)}))


if __name__ == "__main__":
    main()
