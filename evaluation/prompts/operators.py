"""Measures categories that an operator adds in his own words, without any training.

    python -m evaluation.prompts.operators

Twenty categories (operator_categories.yaml), each added to the default policy alone, with 30
prompts that it forbids and 30 near ones that it allows. Readers: the language model with the
description only, with the examples too, the few-shot matcher, and what serves: the model with
examples and the matcher, weighted as the policy says. The last line is JSON.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from deployments.contracts import GuardRequest
from deployments.guard.embedding.few_shot import FewShot
from deployments.inference.encoder import TokenEncoder
from deployments.policy import Category, Examples, Policy, load_policy
from evaluation.common.files import CASES
from evaluation.prompts.guard import Guard, prompts
from training.language.guard.scoring import Floats

CATEGORIES = CASES / "operator_categories.yaml"
SIDES = ("prompts", "near")
FALSE_POSITIVES = 0.05
Row = dict[str, Any]


def grown(policy: Policy, name: str, row: Row, *, shown: bool) -> Policy:
    """The policy with the operator's category; its examples are left out where not `shown`."""
    own = Category(
        code="Z",
        description=row["description"],
        why=row["why"],
        action="block",
        examples=Examples.model_validate(row["examples"]) if shown else None,
    )
    return policy.model_copy(update={"categories": policy.categories | {name: own}})


def figures(scores: dict[str, dict[str, Floats]], act: float) -> Row:
    """Over all categories: mean area under ROC, and recall beside false alarms.

    `recall` and `near` are at the policy's threshold; `recall_at_5pct` is where 5 % of all near
    prompts are stopped.
    """
    forbidden, near = (np.concatenate([s[side] for s in scores.values()]) for side in SIDES)
    areas = [
        roc_auc_score(
            [1] * len(s["prompts"]) + [0] * len(s["near"]), np.concatenate([s[x] for x in SIDES])
        )
        for s in scores.values()
    ]
    bar = np.quantile(near, 1 - FALSE_POSITIVES)
    return {
        "auc": round(float(np.mean(areas)), 4),
        "worst_auc": round(float(np.min(areas)), 4),
        "recall": round(float((forbidden >= act).mean()), 4),
        "near": round(float((near >= act).mean()), 4),
        "recall_at_5pct": round(float((forbidden > bar).mean()), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--policy", type=Path, default=Path("configs/policies/default.yaml"))
    parser.add_argument("--adapter", type=Path, default=Path("models/miniature/guard"))
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="as torch names it, e.g. cuda")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    policy, guard = load_policy(args.policy), Guard(args.adapter, args.cache, args.device)
    rows: dict[str, Row] = yaml.safe_load(CATEGORIES.read_text(encoding="utf-8"))
    encoder = TokenEncoder()
    found: dict[str, dict[str, dict[str, Floats]]] = {
        reader: {} for reader in ("llm", "llm_with_examples", "few_shot", "both")
    }
    for name, row in tqdm(rows.items(), mininterval=10):
        told, shown = (grown(policy, name, row, shown=shown) for shown in (False, True))
        matcher, weight = FewShot(shown, encoder), shown.embedding_weight(name)
        for side in SIDES:
            asked: list[GuardRequest] = prompts(row[side])
            by_reader = {
                "llm": guard.own(asked, told, name),
                "llm_with_examples": guard.own(asked, shown, name),
                "few_shot": np.array([matcher.score([r])[0].scores[name] for r in asked]),
            }
            by_reader["both"] = (
                weight * by_reader["few_shot"] + (1 - weight) * by_reader["llm_with_examples"]
            )
            for reader, scores in by_reader.items():
                found[reader].setdefault(name, {})[side] = scores
    act = policy.thresholds.act
    print(
        json.dumps(
            {reader: figures(scores, act) for reader, scores in found.items()}
            | {"by_category": {n: figures({n: s}, act) for n, s in found["both"].items()}}
        )
    )


if __name__ == "__main__":
    main()
