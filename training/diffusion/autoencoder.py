"""Trains the autoencoder: `python -m training.diffusion.autoencoder --minutes 10`.

It turns 64x64 pictures into 16x16 latents of 4 channels. At the end each channel's mean and spread
are folded into the 1x1 convolutions beside the latents. So latents are standardised, the scaling
factor is 1, and every diffusers pipeline can use the model as it is. The U-Net and the head are
trained on its latents: once they are, it must not change.
"""

import json

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from training.diffusion.data import SIZE, Pictures, pictures
from training.fit import Fit
from training.learning_rate import LearningRate
from training.options import options
from training.paths import CHECKPOINTS, MODELS
from training.weights import ship

CHANNELS = (32, 32, 96)
LATENT = (4, SIZE // 2 ** (len(CHANNELS) - 1), SIZE // 2 ** (len(CHANNELS) - 1))
"""Shape of a picture's latent. Tried: 8x8 cells of 8 channels, which lose emblems of few pixels."""
EDGE_WEIGHT = 1.0
KL_WEIGHT = 5e-4


def build() -> AutoencoderKL:
    """An untrained autoencoder, 1.4 M parameters, four times smaller on each side."""
    stages = len(CHANNELS)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * stages,
        up_block_types=("UpDecoderBlock2D",) * stages,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        latent_channels=LATENT[0],
        norm_num_groups=8,
        sample_size=SIZE,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )


class Batches:
    """Batches by number, and the noise that goes with each."""

    def __init__(self, data: Pictures, seed: int) -> None:
        self._data, self._seed = data, seed

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, torch.Generator]:
        step, size = key
        rows = np.random.default_rng((self._seed, step)).integers(
            len(self._data.captions), size=size
        )
        generator = torch.Generator().manual_seed(self._seed + step)
        return self._data.batch(np.sort(rows)), generator


def loss(model: AutoencoderKL, images: Tensor, generator: torch.Generator) -> Tensor:
    """L1 of pixels and of edges, and a light pull of the posterior to a unit Gaussian.

    The edge term, on differences of neighbouring pixels, keeps symbols of a few pixels sharp, which
    an average over a mostly flat picture would let go.
    """
    with torch.autocast("cpu", torch.bfloat16):
        posterior = model.encode(images).latent_dist
        decoded = model.decode(posterior.sample(generator)).sample.float()
    pixels = functional.l1_loss(decoded, images)
    edges = sum(functional.l1_loss(decoded.diff(dim=d), images.diff(dim=d)) for d in (2, 3))
    divergence = posterior.kl().float().mean() / posterior.mean[0].numel()
    return pixels + EDGE_WEIGHT * edges + KL_WEIGHT * divergence


@torch.no_grad()
def standardise(model: AutoencoderKL, images: Tensor) -> None:
    """Makes latents N(0, 1) per channel over `images`; the decoded pictures stay the same.

    With z the old and w = (z - m) / s the new latent, `quant_conv` gives w (and its log variance,
    less 2 log s) and `post_quant_conv` reads s * w + m.
    """
    means = torch.cat([model.encode(part).latent_dist.mean for part in images.split(64)]).float()
    shift, spread = means.mean((0, 2, 3)), means.std((0, 2, 3))
    into, out = model.quant_conv, model.post_quant_conv
    n = len(shift)
    into.weight[:n] /= spread.view(-1, 1, 1, 1)
    into.bias[:n] = (into.bias[:n] - shift) / spread
    into.bias[n:] -= 2 * spread.log()
    out.bias += out.weight[:, :, 0, 0] @ shift
    out.weight *= spread.view(1, -1, 1, 1)


@torch.no_grad()
def measure(model: AutoencoderKL, images: Tensor) -> dict[str, float]:
    """Reconstruction PSNR in dB (mean over pictures) and the latents' statistics."""
    parts = [model.encode(part).latent_dist for part in images.split(64)]
    latents = torch.cat([part.mean for part in parts])
    decoded = torch.cat([model.decode(part).sample for part in latents.split(64)]).clamp(-1, 1)
    errors = ((decoded - images) / 2).square().mean((1, 2, 3))
    return {
        "psnr": float((-10 * errors.log10()).mean()),
        "psnr_worst": float(-10 * errors.max().log10()),
        "latent_mean": float(latents.mean()),
        "latent_std": float(latents.std()),
        "posterior_std": float(torch.cat([part.std for part in parts]).mean()),
    }


def main() -> None:
    parser = options(
        __doc__, minutes=48.0, seed=0, batch=16, count=120_000, threads=1, resume=False,
        out=MODELS / "vae",
    )  # fmt: skip
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = pictures(CHECKPOINTS, args.seed, args.count, workers=args.threads)
    torch.manual_seed(args.seed)
    trained = build()
    fit = Fit(trained, CHECKPOINTS / f"autoencoder-{args.seed}.pt", 1e-4, args.resume)
    batches = Batches(data, args.seed)
    schedule = LearningRate(peak=1.5e-3, budget=60 * args.minutes, decay_share=0.5)
    final = fit.run(lambda step: loss(trained, *batches[step, args.batch]), schedule)
    model = fit.averaged(build())
    standardise(model, data.batch(np.arange(min(4096, args.count))))
    ship(model, args.out)
    shipped = AutoencoderKL.from_pretrained(args.out, torch_dtype=torch.float32)
    held_out = pictures(CHECKPOINTS, args.seed, 1000, split="test", workers=args.threads)
    figures = measure(shipped, held_out.batch(np.arange(1000)))
    print(json.dumps({"loss": final, "steps": fit.step} | figures))


if __name__ == "__main__":
    main()
