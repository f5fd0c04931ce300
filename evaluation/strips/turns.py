"""Turned trajectories, seen: `python -m evaluation.strips.turns` writes docs/turned.png.

Each pair of rows is one request with one seed, above unwatched, below as the policy's watch turns
it. The columns are the clean picture as the denoiser predicts it at every check point and beyond,
and the finished one. The requests are the first turned ones of
evaluation.pictures.regeneration, not picked.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from deployments.contracts import GenerationRequest
from deployments.diffusion.engine.calls import Call
from deployments.diffusion.sampling.sampler import Drawing, Sampler
from deployments.diffusion.steering.steerers import Moment
from deployments.paths import ROOT
from evaluation.common.studio import Studio
from evaluation.pictures.regeneration import SEEDS, unsolicited

LATER = (0.7, 0.85)
"""Shares of the schedule that are shown besides the check points."""
SCALE, MARGIN, TEXT = 2, 6, 16


@dataclass(frozen=True)
class Trajectory:
    """Predicted pictures at the shown steps and the finished one, each (64, 64, 3) uint8."""

    pictures: list[NDArray[np.uint8]]
    drawing: Drawing


def trajectory(
    sampler: Sampler, request: GenerationRequest, shown: tuple[float, ...]
) -> Trajectory:
    """Draws a request and keeps what its steps head for."""
    clean: dict[float, torch.Tensor] = {}

    def observe(moment: Moment) -> None:
        for share in shown:
            if share <= moment.progress and share not in clean:
                clean[share] = moment.clean

    drawing = sampler.draw(request, Call.run, observe)
    pictures = [_decoded(sampler, clean[share]) for share in shown]
    return Trajectory([*pictures, _pixels(drawing.pixels)], drawing)


@torch.no_grad()
def _decoded(sampler: Sampler, latent: torch.Tensor) -> NDArray[np.uint8]:
    vae = sampler.pipeline.vae
    picture = vae.decode(latent.to(vae.dtype) / vae.config.scaling_factor).sample
    return _pixels((picture[0].permute(1, 2, 0).float() / 2 + 0.5).clamp(0, 1).numpy())


def _pixels(picture: NDArray[np.floating]) -> NDArray[np.uint8]:
    return (picture * 255).round().astype(np.uint8)


def strip(pairs: list[tuple[str, Trajectory, Trajectory]], shown: tuple[float, ...]) -> Image.Image:
    """The rows, with the prompt over each pair and the share of the schedule over each column."""
    side = SCALE * pairs[0][1].pictures[0].shape[0]
    width = MARGIN + (side + MARGIN) * (len(shown) + 1)
    height = TEXT + len(pairs) * (TEXT + 2 * (side + MARGIN) + MARGIN)
    sheet = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for column, share in enumerate((*shown, 1.0)):
        name = "finished" if share == 1 else f"{share:.0%}"
        draw.text((MARGIN + column * (side + MARGIN), 2), name, "black", font)
    top = TEXT
    for said, plain, turned in pairs:
        draw.text((MARGIN, top), said, "black", font)
        for row, one in enumerate((plain, turned)):
            for column, pixels in enumerate(one.pictures):
                place = (MARGIN + column * (side + MARGIN), top + TEXT + row * (side + MARGIN))
                image = Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)
                sheet.paste(image, place)
        top += TEXT + 2 * (side + MARGIN) + MARGIN
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description="Shows trajectories that were turned.")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "miniature.yaml")
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "turned.png")
    args = parser.parse_args()
    studio = Studio(args.config, args.threads)
    watch = studio.policy.output.watch
    if watch is None:
        raise SystemExit("the policy watches no trajectories")
    shown = (*watch.check_points, *(share for share in LATER if share > watch.check_points[-1]))
    pairs: list[tuple[str, Trajectory, Trajectory]] = []
    with tqdm(total=args.count, desc="turned") as progress:
        for number, asked in enumerate(unsolicited(1000, 0)):
            order = studio.request(asked.text, SEEDS + number)
            watched = order.model_copy(update={"watch": watch})
            turned = trajectory(studio.samplers.text_to_image, watched, shown)
            if (step := turned.drawing.turned_at_step) is None:
                continue
            said = f"{asked.text} (turned at step {step + 1} of {order.steps})"
            pairs.append((said, trajectory(studio.samplers.text_to_image, order, shown), turned))
            progress.update()
            if len(pairs) == args.count:
                break
    strip(pairs, shown).save(args.out)


if __name__ == "__main__":
    main()
