"""The U-Net's own trajectories, and the classifier's verdicts on the pictures at their ends.

A check during denoising asks how a trajectory will end. Drawn pictures that are noised and denoised
again only come near to that. So harmless captions are generated from pure noise, the predicted
clean latents are kept on the way, and the label is the classifier's verdict on the result.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from deployments.classifier.config import ClassifierConfig
from deployments.classifier.loading import load_models
from deployments.inference.embedded.folders import made_once
from training.classifiers.data import as_pixels, autoencoder
from training.classifiers.generated import BATCH, Guided
from training.diffusion.autoencoder import LATENT
from training.weights import fingerprint
from training.world.faults import FaultRates
from training.world.sample import draw, draw_demeaning, draw_unsolicited
from training.world.vocabulary import HARMS
from training.world.wording.captions import Split

KEPT = range(2, 16)
"""Steps, of STEPS, whose predictions are kept; earlier ones do not show anything yet."""


@dataclass(frozen=True)
class Foreseen:
    """Trajectories of k kept steps each.

    Attributes:
        latents: (n, k, 4, 16, 16) float16, the clean latents as predicted.
        timesteps: (k,) int64.
        prompts: (n, 384) float32, the mean of each caption's token states.
        verdicts: (n, categories) float32, the classifier's scores of the finished pictures.
    """

    latents: NDArray[np.float16]
    timesteps: NDArray[np.int64]
    prompts: NDArray[np.float32]
    verdicts: NDArray[np.float32]


def captions(count: int, seed: int, split: Split) -> list[str]:
    """Captions that ask for no harm; most state a scene that the world's faults bring harm into."""
    rng = random.Random(f"foreseen-{seed}-{split}")

    def one() -> str:
        roll = rng.random()
        if roll < 0.75:
            return draw_unsolicited(rng, split)[0].caption.text
        if roll < 0.9:
            return draw_demeaning(rng, split).caption.text
        example = draw(rng, FaultRates.none(), split)
        return one() if example.wish.harm else example.caption.text

    return [one() for _ in range(count)]


def foreseen(cache: Path, count: int, seed: int, split: Split = "train") -> Foreseen:
    """`count` trajectories, made once."""
    models = fingerprint("vae", "unet", "classifier")
    folder = cache / f"foreseen-{split}-{seed}-{count}-{models}"
    made_once(folder, lambda target: _draw_all(target, count, seed, split))
    names = ("latents", "timesteps", "prompts", "verdicts")
    return Foreseen(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))


def _draw_all(target: Path, count: int, seed: int, split: Split) -> None:
    guided, vae = Guided(), autoencoder()
    classifier = load_models(ClassifierConfig(model="embedded:classifier")).pictures
    generator, texts = torch.Generator().manual_seed(seed), captions(count, seed, split)
    shape = (count, len(KEPT), *LATENT)
    latents = np.lib.format.open_memmap(target / "latents.npy", "w+", np.float16, shape)
    verdicts, prompts = [], []
    for start in tqdm(range(0, count, BATCH), desc="foreseeing"):
        said = texts[start : start + BATCH]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            states = guided.text(said).float()
        prompts.append(_means(guided, said, states))
        noisy = torch.zeros(len(said), *LATENT)
        for step, (_, clean, after) in enumerate(guided.trajectory(noisy, states, 0, generator)):
            if step in KEPT:
                latents[start : start + BATCH, step - KEPT.start] = clean.half().numpy()
            noisy = after
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            pictures = as_pixels(vae.decode(noisy).sample)
        for picture, text in zip(pictures, said, strict=True):
            scores = classifier.scores(picture, text)
            verdicts.append([scores[harm] for harm in HARMS])
    latents.flush()
    np.save(target / "timesteps.npy", guided.scheduler.timesteps[KEPT.start : KEPT.stop].numpy())
    np.save(target / "prompts.npy", np.concatenate(prompts))
    np.save(target / "verdicts.npy", np.array(verdicts, np.float32))


def _means(guided: Guided, texts: list[str], states: torch.Tensor) -> NDArray[np.float32]:
    """(n, 384): the mean of each caption's own token states."""
    lengths = torch.tensor(guided.text.lengths(texts))
    own = (torch.arange(states.shape[1]) < lengths[:, None])[:, :, None]
    return ((states * own).sum(dim=1) / own.sum(dim=1)).numpy()
