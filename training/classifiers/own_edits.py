"""Edits that the shipped edit model made, of known truth, for the transformation model.

An edit of a world without faults is asked of the model, which mostly does it and keeps all else.
What it made is shown beside the picture that it was given, or beside one of somebody else: the
truth about the two is the world's, whatever the model's hand.
"""

import pickle
import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from deployments.embedded.folders import made_once
from training.chunks import Chunk, drawn_in_chunks
from training.classifiers.data import as_input, as_pixels
from training.classifiers.edit_pairs import Known, KnownPairs, known_edit
from training.diffusion.edit import adapted, take_shipped
from training.diffusion.text import TextEncoder
from training.loop import CHECKPOINTS, MODELS, fingerprint
from training.world.edits import IDENTITY, Edit, another, draw_edit
from training.world.faults import FaultRates
from training.world.renderer import render

STEPS, BATCH = 12, 48
GUIDANCE, PICTURE_GUIDANCE = 3.0, 1.8
"""As the miniature is served."""
OTHERS = 0.5
"""Share of pairs whose picture before is of somebody else than the one that was edited."""


@dataclass(frozen=True)
class _Drawn:
    """What a chunk holds: truths, pictures before (perhaps of somebody else), and given ones."""

    known: list[Known]
    before: NDArray[np.uint8]
    given: NDArray[np.uint8]


def own_edits(seed: int, count: int, vae: AutoencoderKL, workers: int = 1) -> KnownPairs:
    """`count` pairs whose picture after is the edit model's; made once."""
    key = fingerprint("vae", "unet", "edit")
    folder = CHECKPOINTS / f"own-edits-{seed}-{count}-{key}"
    made_once(folder, lambda target: _make(target, seed, count, vae, workers))
    before, after = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("before", "after"))
    return KnownPairs(folder, pickle.loads((folder / "edits.pickle").read_bytes()), before, after)


def _make(target: Path, seed: int, count: int, vae: AutoencoderKL, workers: int) -> None:
    parts = [part for _, part in drawn_in_chunks(_draw_chunk, seed, count, "train", workers)]
    known = [one for part in parts for one in part.known]
    given = np.concatenate([part.given for part in parts])
    editor, generator = Editor(str(vae.device)), torch.Generator().manual_seed(seed)
    after = []
    for start in tqdm(range(0, count, BATCH), desc="editing"):
        rows = slice(start, start + BATCH)
        texts = [one.edit.instruction for one in known[rows]]
        with torch.inference_mode(), torch.autocast(vae.device.type, torch.bfloat16):
            pictures = vae.encode(as_input(given[rows]).to(vae.device)).latent_dist.mean.float()
            edited = editor.edited(pictures, texts, generator)
            after.append(as_pixels(vae.decode(edited).sample))
    np.save(target / "before.npy", np.concatenate([part.before for part in parts]))
    np.save(target / "after.npy", np.concatenate(after))
    (target / "edits.pickle").write_bytes(pickle.dumps(known))


def _draw_chunk(chunk: Chunk) -> _Drawn:
    rng = chunk.stream("own-edits")
    known, before, given = [], [], []
    for _ in range(chunk.count):
        edit = draw_edit(rng, FaultRates.none(), chunk.split)
        given.append(render(edit.before))
        if rng.random() < OTHERS:
            edit = _of_somebody_else(edit, rng)
        before.append(render(edit.before))
        known.append(known_edit(edit))
    return _Drawn(known, np.stack(before), np.stack(given))


def _of_somebody_else(edit: Edit, rng: random.Random) -> Edit:
    """The edit with one or two attributes of the person before it changed."""
    (person,) = edit.before.people
    for name in rng.sample(IDENTITY, rng.choice((1, 1, 2))):
        person = another(person, name, rng)
    return replace(edit, before=replace(edit.before, people=(person,)))


class Editor:
    """The shipped edit model under its two guidances (InstructPix2Pix, arXiv:2211.09800)."""

    def __init__(self, device: str = "cpu") -> None:
        base = UNet2DConditionModel.from_pretrained(MODELS / "unet", torch_dtype=torch.float32)
        self.unet = adapted(base)
        take_shipped(self.unet, MODELS / "edit")
        self.unet.fuse_lora()
        self.unet.eval().to(device)
        self.scheduler = DDIMScheduler.from_pretrained(MODELS / "scheduler")
        self.scheduler.set_timesteps(STEPS)
        self.text = TextEncoder(device)
        self.empty = self.text([""])

    @torch.inference_mode()
    def edited(self, pictures: Tensor, texts: list[str], generator: torch.Generator) -> Tensor:
        """Latents (b, 4, 16, 16) of given pictures to those of edited ones."""
        states = self.text(texts)
        empty = self.empty.expand(len(texts), -1, -1)
        said = torch.cat([states, empty, empty])
        seen = torch.cat([pictures, pictures, torch.zeros_like(pictures)])
        noisy = torch.randn(pictures.shape, generator=generator).to(pictures.device)
        for time in self.scheduler.timesteps:
            rows = torch.cat([torch.cat([noisy] * 3), seen], dim=1)
            with torch.autocast(pictures.device.type, torch.bfloat16):
                v = self.unet(rows, time, said).sample.float()
            both, picture, neither = v.chunk(3)
            guided = neither + PICTURE_GUIDANCE * (picture - neither) + GUIDANCE * (both - picture)
            noisy = self.scheduler.step(guided, time, noisy).prev_sample
        return noisy
