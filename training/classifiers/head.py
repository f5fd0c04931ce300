"""Trains the noise-aware head: `python -m training.classifiers.head --minutes 12`.

Steering follows this model's gradient, so the gradient matters more than the score. Three things
make it point at the harmful object and not at what fools the network. A harm that is half taken
away still counts as harm, so that a paler harm is no way out. Part of every batch is moved to the
highest loss within a ball: adversarial training aligns gradients with what people see ("Robustness
may be at odds with accuracy", arXiv:1805.12152). And the gradient itself is trained to lie along
the difference between a picture and its twin without the harm.

Where there is a U-Net, the head learns on the clean latents that it predicts under guidance at all
timesteps, and on whole trajectories with the output classifier's verdicts on their ends.
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

from deployments.diffusion.steering.guidance import away_from_harm, logit
from deployments.diffusion.steering.head import HarmHead, HeadConfig, load_head, save_head
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
"""Radius of the ball of adversarial training; a latent has a length of about 22."""
ADVERSARIAL = 0.35
"""Share of a batch that is moved within the ball."""
EASY = 0.6
"""Share of the training, at its start, without the ball and the gradient's direction."""
ALIGNMENT, ALIGNED = 0.5, 24
"""Weight of the gradient's direction in the loss, and the number of rows that it is taken of."""
GONE, THERE = 0.95, 0.65
"""Share of the way to the twin from which on a harm is gone, and up to which it is wholly there."""
OTHERS_CAPTION = 0.3
FORESEEN = 0.5
"""Weight of the verdicts on the trajectories' ends in the loss."""
CLOUDED = 600
"""Latest timestep for which a picture's own latent stands in for a prediction."""


@dataclass(frozen=True)
class Batch:
    """Latents somewhere between a picture and its twin.

    Attributes:
        latents: (b, 4, 16, 16).
        timesteps: (b,), 0 to 1000.
        prompts: (b, 384), mean token states of the captions.
        truths: (b, 4), how much of each harm is there, 0 to 1.
        way: (b, 4, 16, 16), from the picture to its twin.
        harm: (b,) int64, column of the harm that the way takes away, -1 for none.
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
        """(b, 4): the harms of picture i as an answer to caption j, 0 or 1."""
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
    """Batches by number: moments of trajectories, with the verdicts on their ends."""

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
    """(size,): share of the way to the twin; 0 for 35 % of rows, 1 for 30 %, else uniform."""
    kind = rng.random(size)
    return np.where(kind < 0.35, 0.0, np.where(kind < 0.65, 1.0, rng.random(size)))


def hardness(progress: float) -> float:
    """Weight, 0 to 1, of the adversarial part at a share of the training's time."""
    return min(max((progress - EASY) / (1 - EASY) * 2, 0.0), 1.0)


def loss(head: HarmHead, batch: Batch, generator: torch.Generator, hardness: float) -> Tensor:
    """Cross-entropy, partly on attacked latents, and how far the gradient is off the way.

    Args:
        hardness: 0 to 1; scales the attack's radius and the weight of the gradient's direction.
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
    """Cross-entropy with the verdicts on the trajectories' ends."""
    *seen, verdicts = ending
    return _cross_entropy(head(*seen), verdicts)


def moments(
    drawn: Examples, twins: Examples, count: int, remade: int, seed: int
) -> tuple[list[Twins], list[float]]:
    """Latents of pictures and, unless `remade` is 0, what the U-Net predicts of some.

    Returns:
        the sets, and how often a batch takes from each.
    """
    found, weights = [encoded(drawn, twins, count, autoencoder())], [0.4]
    if remade:
        found.append(predicted(drawn, found[0], min(remade, count), seed))
        weights.append(0.6)
    return found, weights


@torch.no_grad()
def measure(head: HarmHead, drawn: Examples, twins: Examples, moments: Twins) -> dict[str, float]:
    """Figures on held-out moments, for each third of the schedule.

    Returns:
        `recall` and `false_positives` at a score of 0.5; `removed`: the share of the way to the
        twin that three full Polyak steps go; `straying`: the length of what they move besides, in
        lengths of the way.
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
    """How well scores at the embedded policy's check points foretell a verdict of 0.9 or more.

    Returns:
        `auc_...`: the area under ROC at each check point; `caught`: the share of trajectories with
        such an end that reach the threshold at any check point; `needless`: the same of the others.
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
