"""Trains the edit model: `python -m training.diffusion.edit --minutes 120`; `--resume` goes on.

InstructPix2Pix (Brooks et al., arXiv:2211.09800): the text-to-image U-Net gets the input picture's
latent beside the noisy one, so its first layer reads eight channels. It learns on the world's
pairs of pictures with an instruction. Only the first layer and low-rank updates of the others
(LoRA, arXiv:2106.09685) are trained and shipped. Text, picture or both are dropped from some rows,
for the two kinds of guidance.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor, nn

from deployments.inference.embedded.edit import INPUT_LAYER, UPDATES, widened
from deployments.inference.embedded.folders import made_once
from training.chunks import Chunk, drawn_in_chunks
from training.diffusion.autoencoder import LATENT
from training.diffusion.data import BOX_WEIGHT, CELLS, SIZE, Encoded, Resident, cell_weights
from training.diffusion.text import LENGTH, WIDTH, TextEncoder
from training.fit import Fit
from training.learning_rate import LearningRate
from training.options import options
from training.paths import CHECKPOINTS, MODELS
from training.weights import fingerprint, write
from training.world.drawing.renderer import paint
from training.world.edits import Edit, draw_edit, draw_surroundings
from training.world.faults import FaultRates
from training.world.wording.captions import Split

NAME = "edit"
RANK = 16
DROPPED = 0.05
"""Share of rows without text; the shares without picture and without both are the same."""
FORGOTTEN = 0.1
"""Share of an instruction's token states that are left out, so that no wording is learned by heart:
there are many drawn edits and few wordings."""
SURROUNDINGS = 0.2
"""Share of additional edits of a place or an animal. In them most of the picture changes and the
person must stay, which takes the longest to learn."""
_ARRAYS = ("before.npy", "after.npy", "weights.npy")


@dataclass(frozen=True)
class Pairs:
    """Drawn edits.

    Attributes:
        before, after: (n, 64, 64, 3) uint8.
        weights: (n, 16, 16) float16, mean 1 per picture: weight of each cell in the loss.
        instructions: n texts.
    """

    folder: Path
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    weights: NDArray[np.float16]
    instructions: Sequence[str]


def pairs(cache: Path, seed: int, count: int, split: Split = "train", workers: int = 1) -> Pairs:
    """The first `count` edits of a seed and split under the world's default rates; drawn once."""
    folder = cache / f"edits-{split}-{seed}-{count}"
    made_once(folder, lambda target: _draw_all(target, seed, count, split, workers))
    texts = json.loads((folder / "instructions.json").read_text(encoding="utf-8"))
    before, after, weights = (np.load(folder / name, mmap_mode="r") for name in _ARRAYS)
    return Pairs(folder, before, after, weights, texts)


def _draw_all(target: Path, seed: int, count: int, split: Split, workers: int) -> None:
    shapes = ((count, SIZE, SIZE, 3), (count, SIZE, SIZE, 3), (count, CELLS, CELLS))
    dtypes = (np.uint8, np.uint8, np.float16)
    arrays = [
        np.lib.format.open_memmap(target / name, "w+", dtype, shape)
        for name, dtype, shape in zip(_ARRAYS, dtypes, shapes, strict=True)
    ]
    texts: list[str] = []
    for chunk, (pictures, said) in drawn_in_chunks(_draw_chunk, seed, count, split, workers):
        for array, part in zip(arrays, pictures, strict=True):
            array[chunk.rows] = part
        texts += said
    for array in arrays:
        array.flush()
    (target / "instructions.json").write_text(json.dumps(texts), encoding="utf-8")


def _draw_chunk(chunk: Chunk) -> tuple[tuple[NDArray[np.generic], ...], list[str]]:
    rng = chunk.stream("edits")
    edits = [_draw(rng, chunk.split) for _ in range(chunk.count)]
    before = np.stack([paint(edit.before, SIZE)[0] for edit in edits])
    painted = [paint(edit.after, SIZE) for edit in edits]
    after = np.stack([pixels for pixels, _ in painted])
    weights = [
        _weighed(cell_weights(boxes), one, other)
        for (other, boxes), one in zip(painted, before, strict=True)
    ]
    return (before, after, np.stack(weights)), [edit.instruction for edit in edits]


def _draw(rng: random.Random, split: Split) -> Edit:
    draw = draw_surroundings if rng.random() < SURROUNDINGS else draw_edit
    return draw(rng, FaultRates(), split)


def _weighed(
    weights: NDArray[np.float16], before: NDArray[np.uint8], after: NDArray[np.uint8]
) -> NDArray[np.float16]:
    """The weights, with `BOX_WEIGHT` spread over the cells that the edit changes."""
    side = SIZE // CELLS
    differ = np.abs(before.astype(int) - after).max(axis=2) > 16
    cells = differ.reshape(CELLS, side, CELLS, side).any(axis=(1, 3))
    heavier = weights.astype(float) + cells * (BOX_WEIGHT / max(1, cells.sum()))
    return (heavier / heavier.mean()).astype(np.float16)


class Examples:
    """Latents of both pictures and text states of the instructions.

    On a CPU they are encoded when first used and kept on disk; on another device they are all
    encoded at the start and kept in its memory.
    """

    def __init__(
        self, drawn: Pairs, vae: AutoencoderKL, text: TextEncoder, device: torch.device
    ) -> None:
        self._device, self._vae, self._text = device, vae.eval().to(device), text
        # Many edits are asked for in the same words.
        texts = sorted(set(drawn.instructions))
        places = {words: place for place, words in enumerate(texts)}
        self._said = np.array([places[words] for words in drawn.instructions])
        self._texts = texts
        key, folder = fingerprint("encoder"), drawn.folder
        self.before, self.after = (
            self._rows(folder / f"{name}-{key}", len(pixels), LATENT, self._encoder(pixels))
            for name, pixels in (("before", drawn.before), ("after", drawn.after))
        )
        self._states = self._rows(folder / "texts", len(texts), (LENGTH, WIDTH), self._read)
        self._weights = drawn.weights
        self.empty = text([""]).float()

    def weights(self, rows: NDArray[np.int64]) -> Tensor:
        """(len(rows), 1, 16, 16) float32, of the cells."""
        return torch.from_numpy(self._weights[rows].astype(np.float32))[:, None].to(self._device)

    def states(self, rows: NDArray[np.int64]) -> Tensor:
        """(len(rows), 64, 384) float32, of the instructions."""
        return self._states[self._said[rows]]

    def _rows(
        self,
        folder: Path,
        count: int,
        shape: tuple[int, ...],
        encode: Callable[[NDArray[np.int64]], Tensor],
    ) -> Encoded | Resident:
        if self._device.type == "cpu":
            return Encoded(folder, count, shape, encode)
        return Resident(count, encode, self._device)

    def _encoder(self, pixels: NDArray[np.uint8]) -> Callable[[NDArray[np.int64]], Tensor]:
        @torch.inference_mode()
        def encode(indices: NDArray[np.int64]) -> Tensor:
            pictures = torch.from_numpy(pixels[indices]).to(self._device).permute(0, 3, 1, 2)
            with torch.autocast(self._device.type, torch.bfloat16):
                return self._vae.encode(pictures.float() / 127.5 - 1).latent_dist.mean

        return encode

    @torch.inference_mode()
    def _read(self, indices: NDArray[np.int64]) -> Tensor:
        with torch.autocast(self._device.type, torch.bfloat16):
            return self._text([self._texts[i] for i in indices])


def adapted(base: UNet2DConditionModel) -> UNet2DConditionModel:
    """The U-Net with a wider first layer, and low-rank updates of all others to be trained."""
    model = widened(base)
    layers = [
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear | nn.Conv2d) and name not in ("conv_in", "conv_out")
    ]
    model.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=layers))
    model.conv_in.requires_grad_(True)
    return model


def take_shipped(model: UNet2DConditionModel, folder: Path) -> None:
    """Loads the weights of a shipped edit model.

    Raises:
        ValueError: the folder's updates are of another U-Net.
    """
    updates = load_file(folder / UPDATES)
    if updates.keys() != get_peft_model_state_dict(model).keys():
        raise ValueError(f"the updates in {folder} do not fit the U-Net")
    set_peft_model_state_dict(model, updates)
    model.conv_in.load_state_dict(load_file(folder / INPUT_LAYER))


def loss(
    model: UNet2DConditionModel,
    scheduler: DDIMScheduler,
    examples: Examples,
    rows: NDArray[np.int64],
    generator: torch.Generator,
) -> Tensor:
    """Squared error of the predicted v, as in unet.py, given instruction and input picture."""
    after, before, states = examples.after[rows], examples.before[rows], examples.states(rows)
    count, device = len(rows), after.device
    states = states * (torch.rand(count, LENGTH, 1, generator=generator) >= FORGOTTEN).to(device)
    roll = torch.rand(count, generator=generator)
    neither = roll >= 1 - DROPPED
    no_text = ((roll < DROPPED) | neither).view(-1, 1, 1).to(device)
    no_picture = ((roll >= DROPPED) & (roll < 2 * DROPPED)) | neither
    before = before * ~no_picture.view(-1, 1, 1, 1).to(device)
    shares = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    times = (shares * scheduler.config.num_train_timesteps).long()
    times = times[torch.randperm(count, generator=generator)].to(device)
    noise = torch.randn(after.shape, generator=generator).to(device)
    seen = torch.cat([scheduler.add_noise(after, noise, times), before], dim=1)
    with torch.autocast(device.type, torch.bfloat16):
        predicted = model(seen, times, torch.where(no_text, examples.empty, states)).sample
    wanted = scheduler.get_velocity(after, noise, times)
    return (examples.weights(rows) * (predicted.float() - wanted) ** 2).mean()


def ship_edit(model: UNet2DConditionModel, folder: Path) -> None:
    """Writes the low-rank updates and the first layer, bf16."""
    folder.mkdir(parents=True, exist_ok=True)
    nn.Module.to(model, torch.bfloat16)
    model.save_lora_adapter(folder)
    write(folder / INPUT_LAYER, model.conv_in.state_dict())


def main() -> None:
    parser = options(
        __doc__, minutes=120.0, seed=41, batch=32, rate=1e-3, count=60_000, threads=1,
        device="cpu", resume=False, out=MODELS / NAME,
    )  # fmt: skip
    parser.add_argument("--begin", type=Path, help="folder of a shipped edit model to go on from")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    drawn = pairs(CHECKPOINTS, args.seed, args.count, workers=args.threads)
    vae = AutoencoderKL.from_pretrained(MODELS / "vae", torch_dtype=torch.float32)
    torch.manual_seed(args.seed)

    def fresh() -> UNet2DConditionModel:
        base = UNet2DConditionModel.from_pretrained(MODELS / "unet", torch_dtype=torch.float32)
        return adapted(base)

    model = fresh()
    if args.begin:
        take_shipped(model, args.begin)
    if device.type == "cpu":
        model.set_attn_processor(AttnProcessor())  # torch's fused one is slow backwards there
    fit = Fit(model, CHECKPOINTS / f"{NAME}-{args.seed}.pt", 0.01, args.resume, device)
    examples = Examples(drawn, vae, TextEncoder(args.device), device)
    scheduler = DDIMScheduler.from_pretrained(MODELS / "scheduler")

    def step_loss(step: int) -> Tensor:
        per_epoch = args.count // args.batch
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng((args.seed, epoch)).permutation(args.count)
        rows = np.sort(order[place * args.batch : (place + 1) * args.batch])
        generator = torch.Generator().manual_seed(args.seed * 2**32 + step)
        return loss(model, scheduler, examples, rows, generator)

    final = fit.run(
        step_loss,
        LearningRate(peak=args.rate, budget=60 * args.minutes),
        saved=lambda: ship_edit(fit.averaged(fresh()), args.out),
    )
    print(json.dumps({"loss": final, "steps": fit.step, "samples": fit.step * args.batch}))


if __name__ == "__main__":
    main()
