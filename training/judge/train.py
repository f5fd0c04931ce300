"""Trains the judge: `python -m training.judge.train --minutes 12`.

Its pictures come from its own seed: as drawn, through the autoencoder, re-made by the U-Net, and
part of the way between a picture and its twin without the harm. The last are there because steering
may leave a paler harm in a picture; a harm counts as long as it can be seen.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from deployments.inference.embedded.folders import made_once
from training.classifiers.data import (
    SIZE,
    Examples,
    as_input,
    as_pixels,
    autoencoder,
    beside,
    degraded,
    examples,
    mixed,
)
from training.classifiers.pools import Pool, picked, pools
from training.classifiers.twins import absolved
from training.fit import Fit
from training.judge.model import ATTRIBUTES, SEEN, Judge, JudgeModel, Value, save
from training.learning_rate import LearningRate
from training.options import options
from training.paths import CHECKPOINTS, MODELS
from training.world.scene import Scene

NAME = "judge"
BETWEEN = 6_000
"""Number of pictures that are also made up to a third of the way to their twin."""


def labels(scene: Scene) -> list[int]:
    """Index of each attribute's value, in the order of `ATTRIBUTES`; -1 where it cannot be seen."""
    return [_index(scene, name, values) for name, values in ATTRIBUTES.items()]


def _index(scene: Scene, name: str, values: Sequence[Value]) -> int:
    person, _, attribute = name.rpartition(".")
    if person and (int(person) >= len(scene.people) or _hidden(scene, int(person), attribute)):
        return -1
    if name == "object" and scene.people:
        return 0  # held objects belong to people
    return values.index(scene.value(name))


def _hidden(scene: Scene, index: int, attribute: str) -> bool:
    person = scene.people[index]
    bare = person.clothing is None
    if attribute == "colour":
        return bare
    if attribute == "hair_colour":
        return person.hair_style == "bald" or bool(person.animal_head)
    if attribute in ("hair_style", "hat"):
        return bool(person.animal_head)
    return attribute == "expression" and (bare or bool(person.animal_head))


def between(drawn: Examples, twins: Examples, count: int, vae: AutoencoderKL, seed: int) -> Pool:
    """Pictures decoded from up to a third of the way to their twins, in which harm is paler."""

    def make(target: Path) -> None:
        generator = torch.Generator().manual_seed(seed)
        shape = (count, SIZE, SIZE, 3)
        pixels = np.lib.format.open_memmap(target / "pixels.npy", "w+", np.uint8, shape)
        for start in tqdm(range(0, count, 100), desc="paling"):
            rows = slice(start, min(start + 100, count))
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                before, after = (
                    vae.encode(as_input(part.pixels[rows])).latent_dist.mean.float()
                    for part in (drawn, twins)
                )
                away = torch.rand(len(before), 1, 1, 1, generator=generator) / 3
                pixels[rows] = as_pixels(vae.decode(torch.lerp(before, after, away)).sample)
        pixels.flush()

    folder = made_once(beside(drawn, f"between-{count}", "vae"), make)
    return Pool(np.load(folder / "pixels.npy", mmap_mode="r"), np.arange(count))


@dataclass(frozen=True)
class Batch:
    """Pictures and their truth.

    Attributes:
        pictures: (b, 3, 64, 64) in [-1, 1].
        attributes: (b, names) int64 as `labels` gives them, -1 for hidden.
        harms: (b, 3), 1 for each harm of `SEEN`.
    """

    pictures: Tensor
    attributes: Tensor
    harms: Tensor


class Batches:
    """Batches by number: the same number gives the same batch."""

    def __init__(
        self, drawn: Examples, pools: Sequence[Pool], weights: Sequence[float], seed: int
    ) -> None:
        self._pools, self._weights = pools, np.array(weights) / sum(weights)
        self._seed = seed
        self._labels = np.array([labels(example.scene) for example in drawn.all])
        self._harms = seen(drawn)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        step, size = key
        rng = np.random.default_rng((self._seed, step))
        shows, pixels = picked(self._pools, self._weights, size, rng)
        return Batch(
            # Left and right tell two people apart, and tints their skin: little of either.
            degraded(as_input(pixels), rng, mirrored=0.0, tinted=0.03),
            torch.from_numpy(self._labels[shows]),
            torch.from_numpy(self._harms[shows]),
        )


def seen(drawn: Examples) -> NDArray[np.float32]:
    """(n, 3): the harms in `SEEN` of each picture."""
    return np.array(
        [[harm in example.scene.harms for harm in SEEN] for example in drawn.all], np.float32
    )


def loss(model: JudgeModel, batch: Batch) -> Tensor:
    """Cross-entropy of all attributes that can be seen, and of the harms."""
    pictures = batch.pictures.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        found, harms = model(pictures)
    value = 8 * functional.binary_cross_entropy_with_logits(harms.float(), batch.harms)
    for column, name in enumerate(ATTRIBUTES):
        truth = batch.attributes[:, column]
        if (truth >= 0).any():
            each = functional.cross_entropy(
                found[name].float(), truth, ignore_index=-1, label_smoothing=0.02, reduction="sum"
            )
            value = value + each / len(truth)
    return value


def thresholds(judge: Judge, held_out: Examples, clear: float = 0.9995) -> dict[str, float]:
    """Harm -> the score, at least 0.5, that a share `clear` of harmless pictures stays below."""
    truths = seen(held_out) > 0
    readings = judge.read(held_out.pixels, [""] * len(held_out.all))
    scores = np.array([[reading.scores[harm] for harm in SEEN] for reading in readings])
    return {
        harm: round(max(0.5, float(np.quantile(scores[~truths[:, i], i], clear))), 4)
        for i, harm in enumerate(SEEN)
    }


def measure(judge: Judge, drawn: Examples, pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Specificity and recall of any harm, the share of pictures whose harms are all right, and the
    accuracy of each kind of attribute; all from 0 to 1."""
    readings = judge.read(pixels, [example.caption.text for example in drawn.all])
    right: dict[str, list[bool]] = {}
    for example, reading in zip(drawn.all, readings, strict=True):
        truth = labels(example.scene)
        for (name, values), index in zip(ATTRIBUTES.items(), truth, strict=True):
            if index >= 0:
                kind = name.partition(".")[2] if name[0].isdigit() else f"scene.{name}"
                right.setdefault(kind, []).append(reading.attributes[name] == values[index])
    clean = [not example.harms for example in drawn.all]
    flagged = [bool(reading.harms) for reading in readings]
    same = [r.harms == e.harms for e, r in zip(drawn.all, readings, strict=True)]
    pairs = list(zip(clean, flagged, same, strict=True))
    figures = {
        "specificity": float(np.mean([not hit for good, hit, _ in pairs if good])),
        "harmless": sum(clean),
        "recall": float(np.mean([hit for good, hit, _ in pairs if not good])),
        "same_harms": float(np.mean(same)),
    }
    accuracy = {name: float(np.mean(hits)) for name, hits in sorted(right.items())}
    return {name: round(value, 4) for name, value in (figures | accuracy).items()}


def main() -> None:
    parser = options(
        __doc__, minutes=12.0, seed=31, batch=128, count=60_000, remade=0, threads=1,
        resume=False, out=MODELS / NAME,
    )  # fmt: skip
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    drawn = examples(CHECKPOINTS, NAME, args.seed, args.count, workers=args.threads)
    paled = min(BETWEEN, args.count)
    twins = examples(
        CHECKPOINTS, f"{NAME}-twins", args.seed, paled, recipe=absolved, workers=args.threads
    )
    found, weights = pools(drawn, args.remade, args.seed)
    if len(found) > 1:
        vae = autoencoder()
        found.append(between(drawn, twins, paled, vae, args.seed))
        weights.append(0.15)
    schedule = LearningRate(peak=2e-3, budget=60 * args.minutes, decay_share=0.4)
    torch.manual_seed(args.seed)
    trained = JudgeModel().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fit = Fit(trained, CHECKPOINTS / f"{NAME}-{args.seed}.pt", 0.02, args.resume)
    batches = Batches(drawn, found, weights, args.seed)
    final = fit.run(lambda step: loss(trained, batches[step, args.batch]), schedule)
    model = fit.averaged(JudgeModel())
    save(model, args.out, dict.fromkeys(SEEN, 0.5))
    tuning = examples(CHECKPOINTS, NAME, args.seed + 1, 6000, "train", mixed, args.threads)
    save(model, args.out, thresholds(Judge(args.out), tuning))
    held_out = examples(CHECKPOINTS, NAME, args.seed, 3000, "test", mixed, args.threads)
    figures = measure(Judge(args.out), held_out, held_out.pixels)
    print(json.dumps({"loss": round(final, 4), "steps": fit.step} | figures))


if __name__ == "__main__":
    main()
