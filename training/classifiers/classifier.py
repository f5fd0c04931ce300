"""Trains the output classifier: `python -m training.classifiers.classifier --minutes 10`.

Rendered pictures, the same through the autoencoder, and, once there is a U-Net, through it too;
whole pictures and crops, with their own captions and with others', so that a harm is told from the
words that go with it. Ends with calibration on held-out pictures, canaries, and its figures.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from deployments.classifier.canaries import FOLDER, Canary, save_canaries
from deployments.classifier.classifier import Classifier, load
from deployments.classifier.config import ClassifierConfig
from deployments.classifier.model import PictureHarmConfig, PictureHarmModel
from training.classifiers.data import (
    Examples,
    Pool,
    PromptStates,
    as_input,
    degraded,
    examples,
    harm_vector,
    picked,
    pools,
    truth,
)
from training.classifiers.figures import Scored, calibration, figures, score
from training.diffusion.loop import (
    CHECKPOINTS,
    MODELS,
    Schedule,
    load_checkpoint,
    save_checkpoint,
)
from training.world.sample import Example
from training.world.vocabulary import HARMS

NAME = "classifier"
SMOOTHING = 0.02
CROPS = 0.35
"""Crops per whole picture of a batch."""
OTHERS_CAPTION = 0.5
"""Share of pictures that are judged against another picture's caption."""
EMA_DECAY = 0.998
WITH_INPUT = 0.2
"""Share of pictures that come with an input picture, as an edit's does."""


@dataclass(frozen=True)
class Batch:
    """Whole pictures, then crops.

    `visual` is (whole + crops, 4), NaN where a crop leaves it open; `relation` is (whole,);
    `given` says which whole pictures come with their row of `inputs`, another picture.
    """

    pictures: Tensor
    visual: Tensor
    relation: Tensor
    captions: NDArray[np.int64]
    inputs: Tensor
    given: Tensor


class Batches:
    """Batches by number: the same number gives the same batch."""

    def __init__(
        self, drawn: Sequence[Example], pools: Sequence[Pool], weights: Sequence[float], seed: int
    ) -> None:
        self._drawn, self._pools, self._seed = drawn, pools, seed
        self._weights = np.array(weights) / sum(weights)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        step, size = key
        rng = np.random.default_rng((self._seed, step))
        shows, pixels = picked(self._pools, self._weights, size, rng)
        whole = as_input(pixels)
        captions = shows.copy()
        others = rng.random(size) < OTHERS_CAPTION
        captions[others] = rng.integers(len(self._drawn), size=others.sum())
        visual = torch.tensor([harm_vector(self._drawn[i].scene.harms) for i in shows])
        relation = torch.tensor([self._related(i, j) for i, j in zip(shows, captions, strict=True)])
        crops, seen = self._crops(whole, shows, rng, int(CROPS * size))
        return Batch(
            pictures=degraded(torch.cat([whole, crops]), rng),
            visual=torch.cat([visual, seen]),
            relation=relation,
            captions=captions,
            inputs=whole.roll(1, dims=0),
            given=torch.from_numpy(rng.random(size) < WITH_INPUT),
        )

    def _related(self, shown: int, asked: int) -> float:
        """Demeaning by the words that it comes with, or by itself."""
        return truth(self._drawn[shown], self._drawn[asked].wish)[HARMS.index("demeaning")]

    def _crops(
        self, pictures: Tensor, shows: NDArray[np.int64], rng: np.random.Generator, count: int
    ) -> tuple[Tensor, Tensor]:
        rows = rng.integers(len(pictures), size=count)
        spots = rng.integers(33, size=(count, 2))
        parts = torch.stack(
            [pictures[r, :, y : y + 32, x : x + 32] for r, (y, x) in zip(rows, spots, strict=True)]
        )
        seen = [
            part_truth(self._drawn[shows[r]], x, y, 32)
            for r, (y, x) in zip(rows, spots, strict=True)
        ]
        return functional.interpolate(parts, (64, 64), mode="area"), torch.tensor(seen)


def part_truth(example: Example, left: float, top: float, side: float) -> list[float]:
    """What a crop shows: 1, 0, or NaN where it cuts through, for each of `HARMS`.

    A person's nakedness or merged head may or may not be in the crop: left open.
    """
    found = dict.fromkeys(HARMS, 0.0)
    for person in example.scene.people:
        if person.clothing is None:
            found["sexual"] = float("nan")
        if person.animal_head:
            found["demeaning"] = float("nan")
    for mark in example.scene.marks:
        share = _inside(mark.x - left, side, mark.size) * _inside(mark.y - top, side, mark.size)
        if share > 0.8:
            found[mark.harm] = 1.0
        elif share > 0.02 and found[mark.harm] != 1.0:
            found[mark.harm] = float("nan")
    return [found[harm] for harm in HARMS]


def _inside(centre: float, side: float, size: float) -> float:
    """Share of a thing's extent that lies within [0, side]; flags reach a little further."""
    low, high = centre - size * 0.7, centre + size * 0.7
    return max(0.0, min(high, side) - max(low, 0.0)) / (high - low)


def loss(model: PictureHarmModel, batch: Batch, states: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of what is seen, and of what it means with its caption."""
    with torch.autocast("cpu", torch.bfloat16):
        rows = torch.cat([batch.pictures, batch.inputs[batch.given]])
        features = model.features(rows.contiguous(memory_format=torch.channels_last))
        seen, before = features.split([len(batch.pictures), int(batch.given.sum())])
        visual = model.visual(seen)
        whole = seen[: len(batch.relation)]
        edited, plain = batch.given, ~batch.given
        _, with_input = model.parts(whole[edited], states[edited], mask[edited], before)
        _, without = model.parts(whole[plain], states[plain], mask[plain])
    known = ~batch.visual.isnan()
    relation = torch.cat([batch.relation[edited], batch.relation[plain]])
    return _cross_entropy(visual[known], batch.visual[known]) + _cross_entropy(
        torch.cat([with_input, without]), relation
    )


def _cross_entropy(logits: Tensor, truths: Tensor) -> Tensor:
    smoothed = truths * (1 - SMOOTHING) + SMOOTHING / 2
    return functional.binary_cross_entropy_with_logits(logits.float(), smoothed)


class Training:
    """What changes in a training: weights, their average, the optimizer, step and time."""

    def __init__(self, seed: int, path: Path) -> None:
        torch.manual_seed(seed)
        self.path = path
        config = PictureHarmConfig()
        self.model = PictureHarmModel(config).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), weight_decay=0.02)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.model,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(EMA_DECAY),
            use_buffers=True,
        )
        self.step, self.elapsed = 0, 0.0

    def save(self) -> None:
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        save_checkpoint(self.path, parts | {"step": self.step, "elapsed": self.elapsed})

    def ship(self, folder: Path) -> None:
        """Writes the averaged model in bf16."""
        model = PictureHarmModel(self.model.config)
        model.load_state_dict(self.average.module.state_dict())
        model.to(torch.bfloat16).save_pretrained(folder)

    def resume(self) -> None:
        """Goes on from the checkpoint at `path`."""
        state = load_checkpoint(self.path)
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.step, self.elapsed = state["step"], state["elapsed"]

    def run(self, batches: Batches, prompts: PromptStates, schedule: Schedule, size: int) -> float:
        """Trains until the budget is spent, a checkpoint every minute; the smoothed loss."""
        offset, began, saved, smoothed = self.elapsed, time.monotonic(), time.monotonic(), 0.0
        first = self.step
        with tqdm(total=int(schedule.budget), initial=int(offset), unit="s", mininterval=5) as bar:
            while self.elapsed < schedule.budget:
                batch = batches[self.step, size]
                self.optimizer.param_groups[0]["lr"] = schedule.at(self.elapsed)
                value = loss(self.model.train(), batch, *prompts[batch.captions])
                self.optimizer.zero_grad()
                value.backward()
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optimizer.step()
                self.average.update_parameters(self.model)
                self.step += 1
                self.elapsed = offset + time.monotonic() - began
                smoothed += (value.item() - smoothed) * max(0.01, 1 / (self.step - first))
                bar.update(int(self.elapsed) - bar.n)
                bar.set_postfix(step=self.step, loss=f"{smoothed:.4f}", refresh=False)
                if time.monotonic() - saved > 60:
                    saved = time.monotonic()
                    self.save()
        self.save()
        return smoothed


_PARTS = ("model", "average", "optimizer")


def calibrated(folder: Path, held_out: Examples, seed: int) -> Scored:
    """Scores held-out pictures, as drawn and through the models, and ships the calibration."""
    PictureHarmConfig.from_pretrained(folder, calibration=None).save_pretrained(folder)
    classifier = served(folder)
    found: Scored | None = None
    with torch.autocast("cpu", torch.bfloat16):
        for pool in pools(held_out, seed)[0]:
            shown = [held_out.all[index] for index in pool.shows]
            part = score(classifier, shown, pool.pixels)
            found = part if found is None else found.joined(part)
    assert found is not None
    pairs = calibration(found)
    PictureHarmConfig.from_pretrained(folder, calibration=pairs).save_pretrained(folder)
    scale, shift = np.array([pairs[harm] for harm in HARMS]).T
    return Scored(found.truths, found.logits * scale + shift)


def served(folder: Path) -> Classifier:
    """The classifier as it is served, with every threshold at 0.5."""
    return Classifier(load(ClassifierConfig(model=str(folder))), dict.fromkeys(HARMS, 0.5))


def canaries(drawn: Examples, folder: Path, scored: Scored, each: int = 2) -> None:
    """Ships a few rendered pictures of every harm and twice as many of none, all clear cases."""
    chosen: list[Canary] = []
    images: dict[str, NDArray[np.uint8]] = {}
    for name in (None, *HARMS):
        label = "good" if name is None else f"bad-{name}"
        wanted = frozenset({name} if name else ())
        clear = (
            index
            for index, example in enumerate(drawn.all)
            if example.harms == wanted and _clear(scored, index)
        )
        for number, index in enumerate(islice(clear, each if name else 2 * each)):
            file = f"{label}-{number}.png"
            images[file] = np.array(drawn.pixels[index])
            chosen.append(Canary(file=file, prompt=drawn.all[index].caption.text, category=name))
    save_canaries(folder, chosen, images)


def _clear(scored: Scored, index: int) -> bool:
    """Whether every category's score is on its side, and far from the working point."""
    sides = np.where(scored.truths[index] > 0, 1.0, -1.0)
    return bool((sides * scored.logits[index] > 2.0).all())


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the output classifier.")
    parser.add_argument("--minutes", type=float, default=10.0, help="training time in all")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--count", type=int, default=40_000, help="size of the drawn training set")
    parser.add_argument("--held-out", type=int, default=1000, help="pictures for calibration")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--output", type=Path, default=MODELS / "classifier")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    drawn = examples(CHECKPOINTS, NAME, args.seed, args.count, workers=args.threads)
    training = Training(args.seed, CHECKPOINTS / f"classifier-{args.seed}.pt")
    if args.resume:
        training.resume()
    prompts = PromptStates(drawn, training.model.config.prompt_window)
    batches = Batches(drawn.all, *pools(drawn, args.seed), seed=args.seed)
    schedule = Schedule(rate=2e-3, budget=60 * args.minutes, decay_share=0.4)
    final = training.run(batches, prompts, schedule, args.batch)
    training.ship(args.output)
    held_out = examples(CHECKPOINTS, NAME, args.seed, args.held_out, "test", workers=args.threads)
    scored = calibrated(args.output, held_out, args.seed)
    canaries(held_out, args.output / FOLDER, scored)
    print(json.dumps({"loss": final, "steps": training.step} | figures(scored)))


if __name__ == "__main__":
    main()
