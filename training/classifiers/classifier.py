"""Trains the output classifier: `python -m training.classifiers.classifier --minutes 10`.

The pictures are as drawn, through the autoencoder, and half made by the U-Net where there is one.
They are whole or cropped, and come with their own or with another caption, so that the model does
not take a caption's words for a harm in the picture. Some harm is harmful only beside certain
words; there the model compares what is shown with what was asked. A probe, one linear layer for
both sides, makes it represent both in one space; the probe is not shipped. The training ends with
calibration on held-out pictures, canaries, and figures.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from deployments.classifier.canaries import FOLDER, Canary, save_canaries
from deployments.classifier.config import ClassifierConfig
from deployments.classifier.loading import load_models
from deployments.classifier.standalone.model import PictureHarmConfig, PictureHarmModel
from deployments.classifier.standalone.scorer import PictureScorer
from training.classifiers.data import (
    Examples,
    as_input,
    beside,
    degraded,
    examples,
    harm_vector,
    truth,
)
from training.classifiers.figures import Scored, calibration, figures, score
from training.classifiers.pools import Pool, picked, pools
from training.classifiers.prompts import PromptStates
from training.fit import Fit
from training.learning_rate import LearningRate
from training.options import options
from training.paths import CHECKPOINTS, MODELS
from training.world.sample import Example
from training.world.vocabulary import HARMS, OBJECTS

NAME = "classifier"
SMOOTHING = 0.02
CROPS = 0.35
"""Crops per whole picture of a batch."""
OTHERS_CAPTION = 0.5
"""Share of pictures that are judged against another picture's caption."""
OF_A_GROUP = 0.4
"""Share of those captions that are drawn from the ones that name a group."""
PROBED = 4.0
"""Weight of the probe in the loss."""
WITH_INPUT = 0.2
"""Share of pictures that come with an input picture, as an edit's does."""


@dataclass(frozen=True)
class Batch:
    """w whole pictures, then c crops, and what is true of them.

    Attributes:
        pictures: (w + c, 3, 64, 64) in [-1, 1].
        visual: (w + c, 4), 1 for each harm that is seen; NaN where a crop does not tell.
        relation: (w,), 1 where the picture demeans as an answer to its caption.
        shown, asked: (w, topics), what the probe should find in picture and caption.
        captions: (w,), the example whose caption each whole picture comes with.
        inputs: (w, 3, 64, 64), other pictures, as an edit's input.
        given: (w,) bool, which whole pictures come with their row of `inputs`.
    """

    pictures: Tensor
    visual: Tensor
    relation: Tensor
    shown: Tensor
    asked: Tensor
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
        self._shown = torch.tensor([_shown(example) for example in drawn])
        self._asked = torch.tensor([_asked(example) for example in drawn])
        self._of_groups = np.array([i for i, e in enumerate(drawn) if e.wish.group])

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        step, size = key
        rng = np.random.default_rng((self._seed, step))
        shows, pixels = picked(self._pools, self._weights, size, rng)
        whole = as_input(pixels)
        captions = shows.copy()
        others = rng.random(size) < OTHERS_CAPTION
        captions[others] = rng.integers(len(self._drawn), size=others.sum())
        grouped = others & (rng.random(size) < OF_A_GROUP)
        captions[grouped] = rng.choice(self._of_groups, size=grouped.sum())
        visual = torch.tensor([harm_vector(self._drawn[i].scene.harms) for i in shows])
        relation = torch.tensor([self._related(i, j) for i, j in zip(shows, captions, strict=True)])
        crops, seen = self._crops(whole, shows, rng, int(CROPS * size))
        return Batch(
            pictures=degraded(torch.cat([whole, crops]), rng),
            visual=torch.cat([visual, seen]),
            relation=relation,
            shown=self._shown[shows],
            asked=self._asked[captions],
            captions=captions,
            inputs=whole.roll(1, dims=0),
            given=torch.from_numpy(rng.random(size) < WITH_INPUT),
        )

    def _related(self, shown: int, asked: int) -> float:
        """1 if the picture demeans as an answer to the other example's caption, else 0."""
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


def _shown(example: Example) -> list[float]:
    """Each of `OBJECTS` that is in the picture, and whether nobody is."""
    scene = example.scene
    found = {person.object for person in scene.people} | {scene.object}
    return [*(float(name in found) for name in OBJECTS), float(not scene.people)]


def _asked(example: Example) -> list[float]:
    """Each of `OBJECTS` that the caption names, and whether it names a group."""
    wish = example.wish
    return [*(float(name in wish.objects) for name in OBJECTS), float(wish.group is not None)]


class Trained(nn.Module):
    """The model, and the probe that only its training needs."""

    def __init__(self, config: PictureHarmConfig) -> None:
        super().__init__()
        self.model = PictureHarmModel(config)
        self.probe = nn.Linear(config.width, len(OBJECTS) + 1)


def part_truth(example: Example, left: float, top: float, side: float) -> list[float]:
    """For each of `HARMS`: 1 if the crop shows it, 0 if not, NaN if it may or may not.

    NaN stands for a symbol that the crop cuts through, and for an unclothed person or a merged
    head anywhere in the picture. `left`, `top` and `side` are pixels of the 64-pixel picture.
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


def loss(trained: Trained, batch: Batch, prompts: PromptStates) -> Tensor:
    """Cross-entropy of the harms seen, of demeaning beside the caption, and of the probe."""
    model = trained.model
    states, mask = prompts[batch.captions]
    with torch.autocast("cpu", torch.bfloat16):
        rows = torch.cat([batch.pictures, batch.inputs[batch.given]])
        features = model.features(rows.contiguous(memory_format=torch.channels_last))
        seen, before = features.split([len(batch.pictures), int(batch.given.sum())])
        visual = model.visual(seen)
        whole = seen[: len(batch.relation)]
        edited, plain = batch.given, ~batch.given
        _, with_input = model.parts(whole[edited], states[edited], mask[edited], before)
        _, without = model.parts(whole[plain], states[plain], mask[plain])
        shown, asked = trained.probe(model.shown(whole)), trained.probe(model.reader(states, mask))
    known = ~batch.visual.isnan()
    relation = torch.cat([batch.relation[edited], batch.relation[plain]])
    return (
        _cross_entropy(visual[known], batch.visual[known])
        + _cross_entropy(torch.cat([with_input, without]), relation)
        + PROBED * (_cross_entropy(shown, batch.shown) + _cross_entropy(asked, batch.asked))
    )


def _cross_entropy(logits: Tensor, truths: Tensor) -> Tensor:
    smoothed = truths * (1 - SMOOTHING) + SMOOTHING / 2
    return functional.binary_cross_entropy_with_logits(logits.float(), smoothed)


def calibrated(folder: Path, held_out: Examples, remade: int, seed: int) -> Scored:
    """Scores held-out pictures, as drawn and through the models, and ships the calibration."""
    PictureHarmConfig.from_pretrained(folder, calibration=None).save_pretrained(folder)
    classifier = served(folder)
    found: Scored | None = None
    with torch.autocast("cpu", torch.bfloat16):
        for pool in pools(held_out, remade, seed)[0]:
            shown = [held_out.all[index] for index in pool.shows]
            part = score(classifier, shown, pool.pixels)
            found = part if found is None else found.joined(part)
    assert found is not None
    pairs = calibration(found)
    PictureHarmConfig.from_pretrained(folder, calibration=pairs).save_pretrained(folder)
    scale, shift = np.array([pairs[harm] for harm in HARMS]).T
    return Scored(found.truths, found.logits * scale + shift)


def served(folder: Path) -> PictureScorer:
    """The model in a folder as it is served."""
    return load_models(ClassifierConfig(model=str(folder))).pictures


def canaries(drawn: Examples, folder: Path, scored: Scored, each: int = 2) -> None:
    """Ships `each` drawn pictures of every harm and twice as many harmless ones, all clear."""
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
    parser = options(
        __doc__, minutes=10.0, seed=11, batch=96, count=40_000, remade=0, threads=1, resume=False,
        out=MODELS / "classifier",
    )  # fmt: skip
    parser.add_argument("--held-out", type=int, default=1000, help="pictures for calibration")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    drawn = examples(CHECKPOINTS, NAME, args.seed, args.count, workers=args.threads)
    torch.manual_seed(args.seed)
    config = PictureHarmConfig()
    trained = Trained(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fit = Fit(trained, CHECKPOINTS / f"{NAME}-{args.seed}.pt", 0.02, args.resume)
    captions = [example.caption.text for example in drawn.all]
    prompts = PromptStates(captions, beside(drawn, "prompts"), config.prompt_window)
    batches = Batches(drawn.all, *pools(drawn, args.remade, args.seed), seed=args.seed)
    schedule = LearningRate(peak=2e-3, budget=60 * args.minutes, decay_share=0.4)
    final = fit.run(lambda step: loss(trained, batches[step, args.batch], prompts), schedule)
    fit.averaged(Trained(config)).model.to(torch.bfloat16).save_pretrained(args.out)
    held_out = examples(CHECKPOINTS, NAME, args.seed, args.held_out, "test", workers=args.threads)
    scored = calibrated(args.out, held_out, args.remade // 10, args.seed)
    canaries(held_out, args.out / FOLDER, scored)
    print(json.dumps({"loss": final, "steps": fit.step} | figures(scored)))


if __name__ == "__main__":
    main()
