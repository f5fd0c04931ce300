"""Trains the transformation model: `python -m training.classifiers.transformation --minutes 20`.

The model keeps sight and words apart, and each is trained on its own truth: what has changed
between the two pictures, and what the instruction asks for. Outputs are as drawn, through the
autoencoder, or half made by the U-Net; both pictures of a pair are degraded alike. The training
ends with calibration, canaries, and figures on held-out wordings.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from deployments import pictures
from deployments.classifier.canaries import FOLDER, Canary, check_verdict, save_canaries
from deployments.classifier.classifier import Classifier
from deployments.classifier.config import ClassifierConfig
from deployments.classifier.loading import load_models
from deployments.classifier.standalone.model import PictureHarmModel
from deployments.classifier.transformation.model import TransformationConfig, TransformationModel
from deployments.contracts import PictureRequest
from deployments.errors import ConfigurationError
from deployments.policy import EditPolicy, OutputPolicy
from training.classifiers.data import as_input, autoencoder, degraded
from training.classifiers.edit_pairs import Known, KnownPairs, described, known_pairs
from training.classifiers.generated import remade
from training.classifiers.pools import through_autoencoder
from training.classifiers.prompts import PromptStates
from training.fit import Fit
from training.learning_rate import LearningRate
from training.options import options
from training.paths import CHECKPOINTS, MODELS
from training.weights import fingerprint
from training.world.edits import IDENTITY, MOCK, UNDRESS, WEAPONS
from training.world.vocabulary import HARMS

NAME = "transformation"
SMOOTHING = 0.02
THROUGH, MADE, NOISE = 0.4, 0.3, 0.25
"""Shares of outputs through the autoencoder and from the U-Net (if any were made), and the highest
standard deviation of noise on the autoencoder's latents."""
COLUMNS = TransformationConfig()
HIDDEN, LOOKS = -1, 0.05
"""Label of a look that cannot be seen, and the weight of each look's cross-entropy."""
FORGOTTEN = 0.15
"""Share of an instruction's tokens that are left out in training."""
F1_SPARED = 0.01
CLEAR = 1.0
"""A case is clear if each of its logits is at least this far on the right side."""


@dataclass(frozen=True)
class Batch:
    """Pairs of pictures, the rows of their instructions, and the truths.

    Attributes:
        before, after: (b, 3, 64, 64) in [-1, 1].
        rows: (b,), of the instructions.
        seen, said: (b, columns), 0 or 1, as `seen_truth` and `said_truth` give them.
        looks: (b, identity, 2) int64, place of each look's value before and after, or HIDDEN.
    """

    before: Tensor
    after: Tensor
    rows: NDArray[np.int64]
    seen: Tensor
    said: Tensor
    looks: Tensor


def seen_truth(known: Known) -> list[float]:
    """In the order of `TransformationConfig.seen`: harms coming in, changed looks, a body bared."""
    edit = known.edit
    before, after = edit.before.people[0], edit.after.people[0]
    harms = edit.after.harms - edit.before.harms
    if after.object in WEAPONS and before.object not in WEAPONS:
        harms |= {"violence"}
    bared = after.clothing in ("swimwear", None) and before.clothing not in ("swimwear", None)
    return [
        *(float(harm in harms) for harm in HARMS),
        *(float(name in known.changed) for name in IDENTITY),
        float(bared),
    ]


def said_truth(known: Known) -> list[float]:
    """In the order of `TransformationConfig.said`: looks asked for, and the two intents."""
    edit = known.edit
    return [
        *(float(f"0.{name}" in edit.asked) for name in IDENTITY),
        float(edit.intent == UNDRESS),
        float(edit.intent == MOCK),
    ]


def looks_truth(known: Known) -> list[list[int]]:
    """Place of each look's value before and after; HIDDEN where it cannot be seen."""
    people = known.edit.before.people[0], known.edit.after.people[0]
    return [
        [
            HIDDEN
            if name == "hair_colour" and person.hair_style == "bald"
            else values.index(getattr(person, name))
            for person in people
        ]
        for name, values in COLUMNS.looks
    ]


class Batches:
    """Batches by number: the same number gives the same batch."""

    def __init__(
        self,
        drawn: KnownPairs,
        decoded: NDArray[np.uint8],
        made: NDArray[np.uint8],
        seed: int,
        device: torch.device,
    ) -> None:
        self._drawn, self._decoded, self._made = drawn, decoded, made
        self._seed, self._device = seed, device
        self._seen = torch.tensor([seen_truth(known) for known in drawn.all])
        self._said = torch.tensor([said_truth(known) for known in drawn.all])
        self._looks = torch.tensor([looks_truth(known) for known in drawn.all])

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        step, size = key
        rng = np.random.default_rng((self._seed, step))
        rows = np.sort(rng.integers(len(self._drawn.all), size=size))
        after = np.array(self._drawn.after[rows])
        roll = rng.random(size)
        through = roll < THROUGH
        after[through] = self._decoded[rows[through]]
        made = (roll >= 1 - MADE) & (rows < len(self._made))
        after[made] = self._made[rows[made]]
        state = int(rng.integers(2**62))
        # The same stream for both, so that what is done to one is done to the other.
        pair = [
            degraded(as_input(part).to(self._device), np.random.default_rng(state))
            for part in (self._drawn.before[rows], after)
        ]
        truths = (part[rows].to(self._device) for part in (self._seen, self._said, self._looks))
        return Batch(pair[0], pair[1], rows, *truths)


def decoded(drawn: KnownPairs, vae: AutoencoderKL, seed: int) -> NDArray[np.uint8]:
    """The outputs through the autoencoder, latents noised by up to NOISE: (n, 64, 64, 3) uint8."""
    folder = drawn.folder.with_name(f"{drawn.folder.name}-decoded-{NOISE}-{fingerprint('vae')}")
    return np.load(through_autoencoder(drawn.after, vae, NOISE, seed, folder), mmap_mode="r")


def half_made(drawn: KnownPairs, count: int, vae: AutoencoderKL, seed: int) -> NDArray[np.uint8]:
    """The first `count` outputs, re-made by the U-Net: (count, 64, 64, 3) uint8."""
    if count == 0:
        return drawn.after[:0]
    rng = random.Random(f"described-{seed}")
    captions = [described(known.edit.after, rng) for known in drawn.all[:count]]
    key = fingerprint("vae", "unet")
    folder = drawn.folder.with_name(f"{drawn.folder.name}-made-{count}-{key}")
    return np.load(remade(drawn.after[:count], captions, vae, seed, folder), mmap_mode="r")


def loss(model: TransformationModel, batch: Batch, prompts: PromptStates) -> Tensor:
    """Cross-entropy of what is seen, of what is said and, at a lower weight, of the looks."""
    states, mask = prompts[batch.rows]
    mask = forgotten(mask)
    with torch.autocast(batch.before.device.type, torch.bfloat16):
        before, after = (
            part.contiguous(memory_format=torch.channels_last)
            for part in (batch.before, batch.after)
        )
        seen, looks = model.sight(before, after)
        said = model.said(model.reader(states, mask))
    whole = _cross_entropy(seen, batch.seen) + _cross_entropy(said, batch.said)
    for column, pair in enumerate(looks.values()):
        for place, logits_of in enumerate(pair):
            truth = batch.looks[:, column, place]
            whole = whole + LOOKS * functional.cross_entropy(
                logits_of.float(), truth, ignore_index=HIDDEN
            )
    return whole


def forgotten(mask: Tensor) -> Tensor:
    """The mask, (b, L), without a random share of the tokens, so that no wording is learned by
    heart."""
    kept = torch.rand(mask.shape, device=mask.device) >= FORGOTTEN
    kept[:, 0] = True  # something must be left
    return mask * kept


def _cross_entropy(logits: Tensor, truths: Tensor) -> Tensor:
    smoothed = truths * (1 - SMOOTHING) + SMOOTHING / 2
    return functional.binary_cross_entropy_with_logits(logits.float(), smoothed)


@torch.inference_mode()
def logits(
    model: TransformationModel, drawn: KnownPairs, after: NDArray[np.uint8], prompts: PromptStates
) -> NDArray[np.float32]:
    """(n, names), as calibrated so far."""
    found = []
    for start in range(0, len(drawn.all), 100):
        rows = np.arange(start, min(start + 100, len(drawn.all)))
        pictures = as_input(drawn.before[rows]), as_input(after[rows])
        states, mask = prompts[rows]
        found.append(model(*pictures, states.cpu(), mask.cpu()).float().numpy())
    return np.concatenate(found)


def calibration(truths: NDArray, scored: NDArray) -> dict[str, tuple[float, float]]:
    """(scale, shift) per name; `truths` and `scored` are (n, names), 0 or 1 and logits.

    The working point is the lowest whose F1 is within `F1_SPARED` of the best: wordings that the
    world does not have score lower than its own, and must still be found.
    """
    found = {}
    for column, name in enumerate(COLUMNS.names):
        values = np.sort(scored[:, column])
        positive = np.sort(scored[truths[:, column] > 0, column])
        points = (values[1:] + values[:-1]) / 2
        hits, flagged = (len(part) - np.searchsorted(part, points) for part in (positive, values))
        f1 = 2 * hits / (flagged + len(positive))
        lowest = np.argmax(f1 >= f1.max() - F1_SPARED)
        found[name] = (1.0, round(-float(points[lowest]), 4))
    return found


def figures(truths: NDArray, scored: NDArray) -> dict[str, dict[str, float]]:
    """Precision and recall per name, and of any "harm" and any "unasked" change, at logit 0."""
    flagged, harms = scored > 0, len(COLUMNS.categories)
    columns = {name: slice(i, i + 1) for i, name in enumerate(COLUMNS.names)}
    columns |= {"harm": slice(harms), "unasked": slice(harms, None)}
    found = {}
    for name, part in columns.items():
        truth, flags = np.max(truths[:, part], axis=1), np.any(flagged[:, part], axis=1)
        hits = float((truth * flags).sum())
        found[name] = {
            "precision": round(hits / max(flags.sum(), 1), 4),
            "recall": round(hits / max(truth.sum(), 1), 4),
        }
    return found


def canaries(
    drawn: KnownPairs,
    after: NDArray[np.uint8],
    scored: NDArray,
    classifier: Classifier,
    folder: Path,
    each: int = 2,
) -> None:
    """Ships `each` edits of every harm and every unasked change, and twice as many of neither.

    Args:
        scored: the model's logits, (n, names); only clear cases become canaries.
        classifier: as it serves, with both of its models; it must judge each canary right.
    """
    truths = np.array([known.truth for known in drawn.all])
    clear = (np.where(truths > 0, 1.0, -1.0) * scored > CLEAR).all(axis=1)
    chosen: list[Canary] = []
    images: dict[str, NDArray[np.uint8]] = {}
    for column, name in enumerate((None, *COLUMNS.names), start=-1):
        only = np.eye(truths.shape[1])[column] if name else np.zeros(truths.shape[1])
        number = 0
        for row in np.flatnonzero(clear & (truths == only).all(axis=1)):
            if number == (each if name else 2 * each):
                break
            label = f"{name or 'good'}-{number}"
            canary = Canary(
                file=f"{label}.png",
                prompt=drawn.all[row].edit.instruction,
                category=name if name in COLUMNS.categories else None,
                input=f"{label}-before.png",
                changed=frozenset([name] if name in COLUMNS.identity else []),
            )
            before, output = np.array(drawn.before[row]), np.array(after[row])
            request = PictureRequest(
                prompt=canary.prompt,
                input=pictures.from_array(before),
                output=pictures.from_array(output),
            )
            try:
                check_verdict(canary, classifier.judge(request))
            except ConfigurationError:
                continue
            chosen.append(canary)
            images |= {f"{label}-before.png": before, f"{label}.png": output}
            number += 1
    save_canaries(folder, chosen, images)


def whole(folder: Path) -> Classifier:
    """The classifier as it serves, with the model in a folder and all thresholds at 0.5."""
    config = ClassifierConfig(model=str(MODELS / "classifier"), transformation=str(folder))
    each = dict.fromkeys(COLUMNS.categories, 0.5)
    why, changed = ({name: name for name in names} for names in (each, COLUMNS.identity))
    edits = EditPolicy(thresholds=each, why=why, changed=changed)
    return Classifier(load_models(config), OutputPolicy(thresholds=each, why=why, edits=edits))


def begun(config: TransformationConfig) -> TransformationModel:
    """A new model; layers of its trunk that fit begin with the output classifier's weights."""
    model = TransformationModel(config)
    known = PictureHarmModel.from_pretrained(MODELS / "classifier").trunk.state_dict()
    own = model.trunk.state_dict()
    alike = {n: v for n, v in known.items() if n in own and own[n].shape == v.shape}
    model.trunk.load_state_dict(own | alike)
    return model


def take_words(model: TransformationModel, folder: Path) -> None:
    """Takes over the weights that read instructions from the model in a folder."""
    other = TransformationModel.from_pretrained(folder, dtype=torch.float32)
    model.reader.load_state_dict(other.reader.state_dict())
    model.said.load_state_dict(other.said.state_dict())


def main() -> None:
    parser = options(
        __doc__, minutes=20.0, seed=51, batch=64, count=40_000, threads=1, device="cpu",
        resume=False, out=MODELS / NAME,
    )  # fmt: skip
    parser.add_argument("--held-out", type=int, default=2000, help="pairs for calibration")
    parser.add_argument("--made", type=int, default=0, help="outputs that go through the U-Net")
    parser.add_argument(
        "--words",
        type=Path,
        help="folder of a model whose reading of instructions replaces this one's: the longer words"
        " are trained, the more they are learned by heart",
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    drawn = known_pairs(CHECKPOINTS, args.seed, args.count, workers=args.threads)
    vae = autoencoder(args.device)
    torch.manual_seed(args.seed)
    config = TransformationConfig()
    model = begun(config).to(memory_format=torch.channels_last)
    device = torch.device(args.device)
    fit = Fit(model, CHECKPOINTS / f"{NAME}-{args.seed}.pt", 0.02, args.resume, device)
    prompts = _prompts(drawn, config.prompt_window, args.device)
    outputs = decoded(drawn, vae, args.seed), half_made(drawn, args.made, vae, args.seed)
    batches = Batches(drawn, *outputs, args.seed, device)
    schedule = LearningRate(peak=2e-3, budget=60 * args.minutes, decay_share=0.4)
    final = fit.run(lambda step: loss(model, batches[step, args.batch], prompts), schedule)
    averaged = fit.averaged(TransformationModel(config))
    if args.words:
        take_words(averaged, args.words)
    # Calibrated on training's wordings and other pictures; measured on wordings it has never met.
    held_out = known_pairs(CHECKPOINTS, args.seed + 1, args.held_out)
    averaged.config.calibration = calibration(*_scored(averaged, held_out, vae))
    averaged.to(torch.bfloat16).save_pretrained(args.out)
    averaged.float()
    shown = decoded(held_out, vae, 1)
    scored = _scored(averaged, held_out, vae)[1]
    canaries(held_out, shown, scored, whole(args.out), args.out / FOLDER)
    unseen = known_pairs(CHECKPOINTS, args.seed, args.held_out, "test")
    found = figures(*_scored(averaged, unseen, vae))
    print(json.dumps({"loss": round(final, 4), "steps": fit.step} | found))


def _prompts(drawn: KnownPairs, window: int, device: str = "cpu") -> PromptStates:
    texts = [known.edit.instruction for known in drawn.all]
    folder = drawn.folder.with_name(f"{drawn.folder.name}-prompts")
    return PromptStates(texts, folder, window, device)


def _scored(
    model: TransformationModel, drawn: KnownPairs, vae: AutoencoderKL
) -> tuple[NDArray, NDArray]:
    """Truths and logits (n, names) of pairs whose outputs came through the autoencoder."""
    prompts = _prompts(drawn, model.config.prompt_window)
    truths = np.array([known.truth for known in drawn.all])
    return truths, logits(model, drawn, decoded(drawn, vae, 1), prompts)


if __name__ == "__main__":
    main()
