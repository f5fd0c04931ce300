"""Trains the noise-aware head: `python -m training.classifiers.head --minutes 12`.

Steering follows this model's gradient, so the gradient matters more than the score. Three things
make it point at the object and not at what fools the network: what is half taken away is still
harmful, so that paling is no way out; a part of every batch is moved to where the loss is highest
within a ball (adversarial training, whose gradients are aligned with what is seen, "Robustness may
be at odds with accuracy", arXiv:1805.12152); and the gradient itself is trained to lie along the
difference between a picture and its twin without the harm.

With a U-Net at hand it learns on what that predicts under guidance, at all timesteps; and on whole
trajectories of its own, with the output classifier's verdict on their ends.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional

from deployments.diffusion.steering.head import HarmHead, HeadConfig, load_head, save_head
from deployments.diffusion.steering.steerers import away_from_harm, logit
from training.classifiers.data import Examples, autoencoder, examples, harm_vector, mixed, truth
from training.classifiers.foreseen import KEPT, Foreseen, foreseen
from training.classifiers.generated import STEPS
from training.classifiers.twins import (
    Twins,
    absolved,
    clouded,
    encoded,
    mean_embeddings,
    predicted,
)
from training.diffusion.autoencoder import LATENT
from training.fit import Fit
from training.learning_rate import LearningRate
from training.options import options
from training.paths import CHECKPOINTS, MODELS
from training.world.sample import Example
from training.world.vocabulary import HARMS

NAME = "head"
SMOOTHING = 0.02
RADIUS = 1.5
"""Of the ball within which latents, about 22 long, are moved against the model."""
ADVERSARIAL = 0.35
"""Share of a batch that is so moved."""
EASY = 0.6
"""Share of the training without the two."""
ALIGNMENT, ALIGNED = 0.5, 24
"""Weight of the gradient's direction in the loss, and rows of a batch in which it is looked at."""
GONE, THERE = 0.95, 0.65
"""How much of a harm must be taken away until it is gone, and up to where it is wholly there."""
OTHERS_CAPTION = 0.3
FORESEEN = 0.5
"""Weight in the loss of the verdicts to come."""
CLOUDED = 600
"""Latest timestep for which a picture's own latent stands in for a prediction."""


@dataclass(frozen=True)
class Batch:
    """Latents (b, 4, 16, 16) somewhere between picture and twin.

    `way` leads from the picture to its twin; `harm` is the column that it takes away, -1 for none.
    """

    latents: Tensor
    timesteps: Tensor
    prompts: Tensor
    truths: Tensor
    way: Tensor
    harm: Tensor


class Batches:
    """Batches by number: the same number gives the same batch."""

    def __init__(
        self, drawn: Examples, twins: Examples, moments: Sequence[Twins], weights: Sequence[float],
        seed: int,
    ) -> None:  # fmt: skip
        self._drawn, self._twins = drawn.all, twins.all
        self._means = mean_embeddings(drawn)
        self._moments, self._weights = moments, np.array(weights) / sum(weights)
        self._seed = seed

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        step, size = key
        rng = np.random.default_rng((self._seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        pairs, times, shows = self._picked(rng, size, generator)
        captions = shows.copy()
        others = rng.random(size) < OTHERS_CAPTION
        captions[others] = rng.integers(len(self._drawn), size=others.sum())
        away = torch.from_numpy(_aways(rng, size)).float()
        before = self._truths(self._drawn, shows, captions)
        after = self._truths(self._twins, shows, captions)
        there = ((GONE - away) / (GONE - THERE)).clamp(0, 1)[:, None]
        harmed = (before > after).any(dim=1)
        way = pairs[:, 1] - pairs[:, 0]
        latents = pairs[:, 0] + away.view(-1, 1, 1, 1) * way
        if rng.random() < 0.5:
            latents, way = latents.flip(3), way.flip(3)
        return Batch(
            latents=latents,
            timesteps=times,
            prompts=torch.from_numpy(self._means[captions]),
            truths=there * before + (1 - there) * after,
            way=way,
            harm=torch.where(harmed & (away < THERE), (before - after).argmax(dim=1), -1),
        )

    def _truths(
        self, part: Sequence[Example], shows: NDArray[np.int64], captions: NDArray[np.int64]
    ) -> Tensor:
        """(b, 4): the harms of each picture with the caption that it is put with."""
        return torch.tensor(
            [truth(part[i], self._drawn[j].wish) for i, j in zip(shows, captions, strict=True)]
        )

    def _picked(
        self, rng: np.random.Generator, size: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
        counts = rng.multinomial(size, self._weights)
        pairs, times, shows = [], [], []
        for moments, count in zip(self._moments, counts, strict=True):
            rows = np.sort(rng.integers(len(moments.shows), size=count))
            latents = torch.from_numpy(moments.latents[rows].astype(np.float32))
            when = torch.from_numpy(moments.timesteps[rows]).float()
            if not moments.timesteps.any():  # straight from pictures: clouded as if predicted
                when = torch.from_numpy(rng.integers(CLOUDED, size=count)).float()
                latents = clouded(latents, when / 1000, generator)
            pairs.append(latents)
            times.append(when)
            shows.append(moments.shows[rows])
        order = rng.permutation(size)
        return torch.cat(pairs)[order], torch.cat(times)[order], np.concatenate(shows)[order]


class Endings:
    """Batches of moments on the way, with the verdict on the end; by number as `Batches`."""

    def __init__(self, known: Foreseen, seed: int) -> None:
        self._known, self._seed = known, seed

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Latents (b, 4, 16, 16), timesteps (b,), prompts (b, 384) and verdicts (b, 4)."""
        step, size = key
        rng = np.random.default_rng((self._seed, step))
        known = self._known
        rows = np.sort(rng.integers(len(known.verdicts), size=size))
        kept = rng.integers(len(known.timesteps), size=size)
        latents = torch.from_numpy(known.latents[rows, kept].astype(np.float32))
        if rng.random() < 0.5:
            latents = latents.flip(3)
        times = torch.from_numpy(known.timesteps[kept]).float()
        prompts, verdicts = known.prompts[rows], known.verdicts[rows]
        return latents, times, torch.from_numpy(prompts), torch.from_numpy(verdicts)


def _aways(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """How far each row is from its picture to its twin: at the ends for most, else between."""
    kind = rng.random(size)
    return np.where(kind < 0.35, 0.0, np.where(kind < 0.65, 1.0, rng.random(size)))


def hardness(progress: float) -> float:
    """How hard training is at a share of its time: seeing comes first, then what fools it."""
    return min(max((progress - EASY) / (1 - EASY) * 2, 0.0), 1.0)


def loss(head: HarmHead, batch: Batch, generator: torch.Generator, hardness: float) -> Tensor:
    """Cross-entropy, in part where it is worst nearby, and the direction of the gradient.

    `hardness` scales the radius of the one and the weight of the other; 0 leaves both out.
    """
    latents = attacked(head, batch, generator, hardness) if hardness else batch.latents
    value = _cross_entropy(head(latents, batch.timesteps, batch.prompts), batch.truths)
    rows = (batch.harm >= 0).nonzero().squeeze(1)[:ALIGNED]
    if not hardness or len(rows) == 0:
        return value
    latents = batch.latents[rows].requires_grad_()
    logits = head(latents, batch.timesteps[rows], batch.prompts[rows])
    chosen = logits.gather(1, batch.harm[rows, None]).sum()
    (gradient,) = torch.autograd.grad(chosen, latents, create_graph=True)
    way = batch.way[rows].flatten(1)
    along = functional.cosine_similarity(-gradient.float().flatten(1), way, dim=1)
    # Where a denoiser sees no difference yet there is no way to follow.
    weights = (way.norm(dim=1) / 2).clamp_max(1)
    return value + hardness * ALIGNMENT * (weights * (1 - along)).mean()


def attacked(head: HarmHead, batch: Batch, generator: torch.Generator, hardness: float) -> Tensor:
    """The latents, some of them moved up the loss's gradient by up to `hardness * RADIUS`."""
    latents = batch.latents.clone()
    count = round(ADVERSARIAL * len(latents))
    point = latents[:count].requires_grad_()
    value = _cross_entropy(
        head(point, batch.timesteps[:count], batch.prompts[:count]), batch.truths[:count]
    )
    (gradient,) = torch.autograd.grad(value, point)
    length = gradient.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
    reach = hardness * RADIUS * torch.rand(count, 1, 1, 1, generator=generator)
    latents = latents.detach()
    latents[:count] += reach * gradient / length
    return latents


def _cross_entropy(logits: Tensor, truths: Tensor) -> Tensor:
    smoothed = truths * (1 - SMOOTHING) + SMOOTHING / 2
    return functional.binary_cross_entropy_with_logits(logits.float(), smoothed)


def foresight(head: HarmHead, ending: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """Cross-entropy with the verdict to come."""
    *seen, verdicts = ending
    return _cross_entropy(head(*seen), verdicts)


def moments(
    drawn: Examples, twins: Examples, count: int, remade: int, seed: int
) -> tuple[list[Twins], list[float]]:
    """Pictures' own latents and, where there is a U-Net, what it predicts on its way; weights."""
    found, weights = [encoded(drawn, twins, count, autoencoder())], [0.4]
    if remade:
        found.append(predicted(drawn, found[0], min(remade, count), seed))
        weights.append(0.6)
    return found, weights


@torch.no_grad()
def measure(head: HarmHead, drawn: Examples, twins: Examples, moments: Twins) -> dict[str, float]:
    """Figures on held-out moments, each by thirds of the schedule, late to early.

    `recall` and `false_positives` at 0.5; `removed`: how much of the way to the twin three full
    Polyak steps go, 1 being all of it; `straying`: the length of the rest, in lengths of the way.
    """
    means = torch.from_numpy(mean_embeddings(drawn)[moments.shows])
    pairs = torch.from_numpy(moments.latents.astype(np.float32))
    when = torch.from_numpy(moments.timesteps).float()
    before = torch.tensor([harm_vector(drawn.all[i].harms) for i in moments.shows])
    after = torch.tensor([harm_vector(twins.all[i].harms) for i in moments.shows])
    figures: dict[str, float] = {}
    for third, name in enumerate(("late", "middle", "early")):
        low, high = 1000 * third / 3, 1000 * (third + 1) / 3
        rows = (when >= low) & (when < high) & (before > after).any(dim=1)
        if not rows.any():
            continue
        dirty, clean, t, p = pairs[rows, 0], pairs[rows, 1], when[rows], means[rows]
        column = (before - after)[rows].argmax(dim=1)[:, None]

        def margin(x: Tensor, t: Tensor = t, p: Tensor = p, column: Tensor = column) -> Tensor:
            return head(x, t, p).gather(1, column).squeeze(1) - logit(0.05)

        shift = away_from_harm(margin, dirty, strength=1.0, steps=3, max_shift=0.5).flatten(1)
        way = (clean - dirty).flatten(1)
        share = (shift * way).sum(dim=1) / way.square().sum(dim=1).clamp_min(1e-6)
        rest = (shift - share[:, None] * way).norm(dim=1) / way.norm(dim=1).clamp_min(1e-3)
        figures |= {
            f"{name}_recall": float((margin(dirty) > -logit(0.05)).float().mean()),
            f"{name}_false_positives": float((margin(clean) > -logit(0.05)).float().mean()),
            f"{name}_removed": float(share.median()),
            f"{name}_straying": float(rest.median()),
        }
    return {key: round(value, 4) for key, value in figures.items()}


@torch.no_grad()
def foreseeing(head: HarmHead, known: Foreseen, threshold: float = 0.8) -> dict[str, float]:
    """How well the score so far tells which trajectories end in a verdict of 0.9 or more.

    At the check points that the embedded policy has: `caught` of those that end so, `needless` of
    the others, as they would be turned; and `auc`, the area under ROC, at each.
    """
    ends: NDArray[np.bool_] = np.any(known.verdicts >= 0.9, axis=1)
    turned = np.zeros_like(ends)
    figures: dict[str, float] = {}
    for share in (0.2, 0.3, 0.4, 0.5, 0.7):
        place = round(share * STEPS) - KEPT.start
        latents = torch.from_numpy(known.latents[:, place].astype(np.float32))
        times = torch.full((len(latents),), float(known.timesteps[place]))
        worst = head(latents, times, torch.from_numpy(known.prompts[:])).sigmoid().amax(dim=1)
        turned = turned | (worst.numpy() > threshold)
        figures[f"auc_{share}"] = float(roc_auc_score(ends, worst.numpy()))
    figures |= {"caught": float(turned[ends].mean()), "needless": float(turned[~ends].mean())}
    return {key: round(value, 4) for key, value in figures.items()}


def main() -> None:
    parser = options(
        __doc__, minutes=12.0, seed=21, batch=128, count=24_000, remade=3_000, threads=1,
        resume=False, out=MODELS / NAME,
    )  # fmt: skip
    parser.add_argument("--encoded", type=int, default=20_000, help="pairs that are encoded")
    parser.add_argument("--foreseen", type=int, default=3_200, help="whole trajectories")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    drawn, twins = (
        examples(CHECKPOINTS, name, args.seed, args.count, recipe=recipe, workers=args.threads)
        for name, recipe in ((NAME, mixed), (f"{NAME}-twins", absolved))
    )
    batches = Batches(
        drawn, twins, *moments(drawn, twins, args.encoded, args.remade, args.seed), seed=args.seed
    )
    endings = Endings(foreseen(CHECKPOINTS, args.foreseen, args.seed), args.seed)
    schedule = LearningRate(peak=2e-3, budget=60 * args.minutes, decay_share=0.4)
    torch.manual_seed(args.seed)
    config = HeadConfig(categories=HARMS, prompted="demeaning", latent_channels=LATENT[0])
    head = HarmHead(config)
    fit = Fit(head, CHECKPOINTS / f"{NAME}-{args.seed}.pt", 0.05, args.resume)

    def step_loss(step: int) -> Tensor:
        generator = torch.Generator().manual_seed(args.seed * 2**32 + step)
        with torch.autocast("cpu", torch.bfloat16):
            progress = fit.elapsed / schedule.budget
            value = loss(head, batches[step, args.batch], generator, hardness(progress))
            return value + FORESEEN * foresight(head, endings[step, args.batch])

    final = fit.run(step_loss, schedule)
    save_head(fit.averaged(HarmHead(config)), args.out)
    held_out, others = (
        examples(CHECKPOINTS, name, args.seed, 1000, "test", recipe, args.threads)
        for name, recipe in ((NAME, mixed), (f"{NAME}-twins", absolved))
    )
    found, _ = moments(held_out, others, 500, min(args.remade, 250), args.seed)
    figures = measure(load_head(args.out), held_out, others, found[-1])
    figures |= foreseeing(load_head(args.out), foreseen(CHECKPOINTS, 500, args.seed, "test"))
    print(json.dumps({"loss": round(final, 4), "steps": fit.step} | figures))


if __name__ == "__main__":
    main()
