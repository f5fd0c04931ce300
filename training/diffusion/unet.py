"""Trains the U-Net: `python -m training.diffusion.unet --minutes 45`; `--resume` goes on.

Latent diffusion on 16x16 latents with v-prediction (Salimans & Ho, arXiv:2202.00512). The moving
average of the weights is shipped at every checkpoint. A step depends only on the seed and on its
number, so a resumed run continues as if it had never stopped. `--warm` begins a new run, with
another seed, from shipped weights.
"""

import json

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from torch import Tensor

from training.diffusion.autoencoder import LATENT
from training.diffusion.data import Encoded, Pictures, pictures
from training.diffusion.text import LENGTH, WIDTH, TextEncoder
from training.fit import Fit
from training.learning_rate import LearningRate
from training.options import options
from training.paths import CHECKPOINTS, MODELS
from training.weights import fingerprint, ship

CHANNELS = (96, 160, 224)
DROPOUT = 0.1
"""Share of captions replaced by the empty one, which is the unconditional branch of guidance."""


def build() -> UNet2DConditionModel:
    """An untrained U-Net, about 17 M parameters; the two coarser resolutions read the text."""
    return UNet2DConditionModel(
        sample_size=LATENT[1],
        in_channels=LATENT[0],
        out_channels=LATENT[0],
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=CHANNELS,
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=(3, 5, 7),  # diffusers means the number of heads; each is 32 wide
        norm_num_groups=32,
    )


class Examples:
    """Latents and text states of the training set, encoded as they are first used."""

    def __init__(self, data: Pictures, vae: AutoencoderKL, text: TextEncoder) -> None:
        self._data, self._vae, self._text = data, vae.eval(), text
        count = len(data.captions)
        self.latents = Encoded(
            data.folder / f"latents-{fingerprint('encoder')}", count, LATENT, self._encode
        )
        self.states = Encoded(data.folder / "states", count, (LENGTH, WIDTH), self._read)
        self.weights = data.weights
        self.empty = text([""])

    @torch.inference_mode()
    def _encode(self, indices: NDArray[np.int64]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self._vae.encode(self._data.batch(indices)).latent_dist.mean

    @torch.inference_mode()
    def _read(self, indices: NDArray[np.int64]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self._text([self._data.captions[i] for i in indices])


class Batches:
    """Batches by number, with a new permutation of the rows per epoch; no batch is incomplete."""

    def __init__(self, examples: Examples, seed: int) -> None:
        self._examples, self._seed = examples, seed

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, torch.Generator]:
        """Latents (b, 4, 16, 16), text states (b, 64, 384), cell weights (b, 1, 16, 16), and the
        step's own noise."""
        step, size = key
        per_epoch = len(self._examples.latents) // size
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng((self._seed, epoch)).permutation(per_epoch * size)
        rows = np.sort(order[place * size : (place + 1) * size])
        generator = torch.Generator().manual_seed(self._seed * 2**32 + step)
        weights = torch.from_numpy(self._examples.weights[rows].astype(np.float32))[:, None]
        return self._examples.latents[rows], self._examples.states[rows], weights, generator


def loss(
    model: UNet2DConditionModel,
    scheduler: DDIMScheduler,
    empty: Tensor,
    latents: Tensor,
    states: Tensor,
    weights: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Squared error of the predicted v = alpha * noise - sigma * latent, over all timesteps.

    Args:
        empty: (1, 64, 384), what replaces a tenth of the text states.
        latents: (b, 4, 16, 16), standardised.
        states: (b, 64, 384) text states.
        weights: (b, 1, 16, 16), mean 1, by which the error of each cell counts.
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
    wanted = scheduler.get_velocity(latents, noise, times)
    return (weights * (predicted.float() - wanted) ** 2).mean()


def main() -> None:
    parser = options(
        __doc__, minutes=120.0, seed=0, batch=32, rate=4e-4, count=120_000, threads=1,
        resume=False, out=MODELS / "unet",
    )  # fmt: skip
    parser.add_argument("--warm", action="store_true", help="begin with the weights in --out")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = pictures(CHECKPOINTS, args.seed, args.count, workers=args.threads)
    vae = AutoencoderKL.from_pretrained(MODELS / "vae", torch_dtype=torch.float32)
    torch.manual_seed(args.seed)
    model = build()
    if args.warm:
        model.load_state_dict(UNet2DConditionModel.from_pretrained(args.out).state_dict())
    model.set_attn_processor(AttnProcessor())  # torch's fused one is slow backwards on a CPU
    fit = Fit(model, CHECKPOINTS / f"unet-{args.seed}.pt", 0.01, args.resume)
    examples, scheduler = (
        Examples(data, vae, TextEncoder()),
        DDIMScheduler.from_pretrained(MODELS / "scheduler"),
    )
    batches = Batches(examples, args.seed)
    final = fit.run(
        lambda step: loss(model, scheduler, examples.empty, *batches[step, args.batch]),
        LearningRate(peak=args.rate, budget=60 * args.minutes),
        saved=lambda: ship(fit.averaged(build()), args.out),
    )
    print(json.dumps({"loss": final, "steps": fit.step, "samples": fit.step * args.batch}))


if __name__ == "__main__":
    main()
