"""Draws a contact sheet with the shipped weights: `python -m training.diffusion.sheet`.

The captions are drawn from the world by a seed, and are not picked; each stands under its picture.
"""

import random
import textwrap
from collections.abc import Sequence

import torch
from diffusers import DiffusionPipeline, DPMSolverMultistepScheduler
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from deployments.inference.embedded.diffusion import assemble
from training.options import options
from training.paths import CACHE, MODELS, RUNS
from training.world.faults import FaultRates
from training.world.sample import draw
from training.world.wording.captions import Split

SCALE = 3
MARGIN = 6
LINE = 11
LINES = 7


def captions(count: int, seed: int, split: Split) -> list[str]:
    """`count` captions of the world's own distribution."""
    rng = random.Random(f"sheet-{seed}")
    return [draw(rng, FaultRates(), split).caption.text for _ in range(count)]


def generate(
    pipe: DiffusionPipeline, prompts: Sequence[str], seed: int, steps: int, guidance: float
) -> list[Image.Image]:
    """One 64x64 picture per prompt; picture i has the seed `seed + i`."""
    pictures: list[Image.Image] = []
    for start in tqdm(range(0, len(prompts), 16), desc="pictures"):
        part = list(prompts[start : start + 16])
        seeds = range(seed + start, seed + start + len(part))
        pictures += pipe(
            part,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(s) for s in seeds],
        ).images
    return pictures


def contact_sheet(
    pictures: Sequence[Image.Image], prompts: Sequence[str], columns: int = 8
) -> Image.Image:
    """The pictures, three times enlarged, row by row, each with its prompt under it."""
    width = pictures[0].width * SCALE + MARGIN
    height = pictures[0].height * SCALE + LINES * LINE + MARGIN
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for place, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        x, y = place % columns * width, place // columns * height
        large = picture.resize((picture.width * SCALE, picture.height * SCALE), Image.NEAREST)
        sheet.paste(large, (x, y))
        lines = textwrap.wrap(prompt, 36)[:LINES]
        pen.multiline_text((x, y + large.height), "\n".join(lines), "black", font, spacing=0)
    return sheet


def main() -> None:
    parser = options(__doc__, seed=0, threads=1, out=RUNS / "sheet.png")
    parser.add_argument("--count", type=int, default=64, help="pictures")
    parser.add_argument("--split", default="test", help="the world's split to draw captions from")
    parser.add_argument("--steps", type=int, default=20, help="of denoising")
    parser.add_argument("--guidance", type=float, default=3.0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pipe = DiffusionPipeline.from_pretrained(assemble(MODELS, CACHE))
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    prompts = captions(args.count, args.seed, args.split)
    pictures = generate(pipe, prompts, args.seed, args.steps, args.guidance)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(pictures, prompts).save(args.out)
    print(args.out)


if __name__ == "__main__":
    main()
