"""Calibrates a guard stage's scores: from 0.5 on, the default policy acts.

    python -m training.language.guard.calibrate --corpora FOLDER --stage llm
    python -m training.language.guard.calibrate --corpora FOLDER --stage cnn

Platt scaling of the verdict's logit on training prompts (pairs of the public sets, written twins,
users) gives the scale. The bias is then the highest at which at most `--share` of the users'
prompts, and of the world's captions, is stopped. If the median user's prompt would score above
0.05, the scale is raised about the working point. No held-out prompt is used. The script writes
`calibration.json` into the model's folder and prints the score that 85 % of the users' prompts stay
below, which is where the CNN may let prompts pass.
"""

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from deployments.contracts import GuardRequest
from deployments.guard.calibration import CALIBRATION_FILE, Calibration
from deployments.inference.embedded.diffusion import minilm
from deployments.inference.embedded.language import base_model
from deployments.inference.embedded.lora import merged_folder
from deployments.policy import Policy, load_policy
from training.language import corpora
from training.language.corpora import Corpora, Row
from training.language.guard.lessons import Curriculum, captions
from training.language.guard.scoring import CNNScorer, Floats, GuardScorer, Readings
from training.options import POLICY, REQUIRED, options
from training.paths import CACHE, MODELS

SEED = 20
"""No seed of training, so that the grammar draws other prompts."""
MEDIAN_USER = 0.05
PASSING = 0.85
"""Share of users' prompts that the language model need not see."""


def sample(sets: Corpora, policy: Policy, size: int) -> tuple[list[Row], list[str]]:
    """`size` labelled rows, one half pairs and twins each, and `size` harmless users' prompts."""
    rng = random.Random(SEED)
    curriculum = Curriculum(policy, sets, seed=SEED)
    rows: list[Row] = []
    for pair in rng.sample(sets.pairs, size // 4):
        rows += [Row(pair.unsafe, pair.category), Row(pair.safe, None)]
    while len(rows) < size:
        rows += [
            curriculum.dress(row, rng)
            for row in curriculum.twins(rng.choice(list(policy.categories)), rng)
        ]
    harmless = [row.prompt for row in sets.users if row.category is None]
    return rows, rng.sample(harmless, size)


def platt(logit: Floats, unsafe: Floats) -> Calibration:
    """Logistic regression of the label on the logit, with equal weight of both classes."""
    model = LogisticRegression(class_weight="balanced").fit(logit[:, None], unsafe)
    return Calibration(scale=float(model.coef_[0, 0]), bias=float(model.intercept_[0]))


def placed(calibration: Calibration, harmless: Sequence[Readings], share: float) -> Calibration:
    """The same scale with the highest bias at which at most `share` of each set is stopped."""
    low, high = calibration.bias - 20.0, calibration.bias + 20.0
    for _ in range(20):
        middle = (low + high) / 2
        moved = Calibration(scale=calibration.scale, bias=middle)
        worst = max(readings.stopped(moved).mean() for readings in harmless)
        low, high = (low, middle) if worst > share else (middle, high)
    return Calibration(scale=calibration.scale, bias=low)


def sharpened(calibration: Calibration, users: Readings) -> Calibration:
    """The least scale about the same working point at which the median user scores low."""
    point = -calibration.bias / calibration.scale
    gap = point - float(np.median(users.verdict()))
    least = -math.log(MEDIAN_USER / (1 - MEDIAN_USER)) / max(gap, 0.1)
    scale = max(calibration.scale, least)
    return Calibration(scale=scale, bias=-scale * point)


def main() -> None:
    parser = options(__doc__, corpora=REQUIRED, policy=POLICY, cache=CACHE, threads=1, device="cpu")
    parser.add_argument("--stage", choices=("llm", "cnn"), default="llm")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of both models")
    parser.add_argument("--size", type=int, default=800, help="pairs and twins; users as many")
    parser.add_argument("--share", type=float, default=0.015, help="of users that is stopped")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    policy = load_policy(args.policy)
    rows, users = sample(corpora.load(args.corpora), policy, args.size)
    scorer: GuardScorer | CNNScorer
    if args.stage == "llm":
        adapter = args.models / "guard"
        scorer = GuardScorer(
            merged_folder(base_model(args.cache), adapter, args.cache), args.device
        )
    else:
        adapter = args.models / "cnn"
        scorer = CNNScorer(merged_folder(minilm(), adapter, args.cache))
    requests = [row.request() for row in rows]
    unsafe = np.array([row.category is not None for row in rows], dtype=float)
    user_readings = scorer.read([GuardRequest(prompt=text) for text in users], policy)
    readings = scorer.read(requests, policy)
    fitted = platt(
        np.concatenate([readings.verdict(), user_readings.verdict()]),
        np.concatenate([unsafe, np.zeros(len(users))]),
    )
    everyday = [GuardRequest(prompt=text) for text in captions(args.size, SEED)]
    harmless = (user_readings, scorer.read(everyday, policy))
    final = sharpened(placed(fitted, harmless, args.share), user_readings)
    result = {"scale": round(final.scale, 4), "bias": round(final.bias, 4)}
    target = adapter / CALIBRATION_FILE
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    passing = round(float(np.quantile(user_readings.acting(final), PASSING)), 3)
    print(json.dumps({"platt": fitted.model_dump(), "written": result, "pass_below": passing}))


if __name__ == "__main__":
    main()
