"""Measures the guard's stages, alone and together, on prompts that no training saw.

    python -m evaluation.prompts.cascade --corpora FOLDER

Sets: our hand-written twins, everyday captions, held-out prompts of real users, negative prompts
that avoid harm or clothes, and prompts for and near public figures and election deception. Stages:
the blocklist, the embedding CNN, the language model, the mean of the latter two, and the package
`alt-profanity-check` where it is installed. `traffic` is what the cascade makes of 2,000 users'
prompts with 5 % harmful ones among them: how many the language model sees, and what is caught. The
last line is JSON.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from deployments.contracts import GuardRequest
from deployments.guard.calibration import Calibration
from deployments.guard.cascade import mixed
from deployments.guard.decision import decide
from deployments.guard.words.blocklist import Blocklist
from deployments.guard.words.normalise import readings
from deployments.inference.embedded.diffusion import minilm
from deployments.inference.embedded.language import base_model
from deployments.inference.embedded.lora import merged_folder
from deployments.policy import Policy, load_policy
from evaluation.common.files import CASES
from evaluation.prompts.guard import hand_written, prompts
from training.language import corpora
from training.language.guard.lessons import captions
from training.language.guard.scoring import CNNScorer, Floats, GuardScorer, Readings

NEGATIVES, FIGURES = CASES / "negative.jsonl", CASES / "figures_election.jsonl"
FALSE_POSITIVES = 0.02
HARMFUL_SHARE = 0.05


@dataclass(frozen=True)
class Scores:
    """What each stage says of one set of requests, float64 [N] in [0, 1], and which are stopped."""

    stages: dict[str, Floats]
    llm: Readings
    cnn: Readings


class Stages:
    """The stages as evaluation asks them, each with its own calibration."""

    def __init__(self, policy: Policy, models: Path, cache: Path, device: str) -> None:
        self.policy = policy
        llm = merged_folder(base_model(cache), models / "guard", cache)
        cnn = merged_folder(minilm(), models / "cnn", cache)
        self._llm, self.llm_scale = GuardScorer(llm, device), Calibration.of_model(str(llm))
        self._cnn, self.cnn_scale = CNNScorer(cnn), Calibration.of_model(str(cnn))
        self._blocklist = Blocklist(policy)
        self._profanity = _profanity_check()
        self.ms: dict[str, list[float]] = {}

    def read(self, requests: Sequence[GuardRequest]) -> Scores:
        """Every stage's score of every request, whatever the stages before it said."""
        cnn = self._timed("cnn", len(requests), lambda: self._cnn.read(requests, self.policy))
        llm = self._timed("llm", len(requests), lambda: self._llm.read(requests, self.policy))
        listed = self._timed(
            "blocklist", len(requests), lambda: np.array([self._listed(r) for r in requests])
        )
        stages = {"blocklist": listed, "cnn": cnn.acting(self.cnn_scale)}
        stages["llm"] = llm.acting(self.llm_scale)
        weight = self.policy.cnn.weight
        stages["mean"] = weight * stages["cnn"] + (1 - weight) * stages["llm"]
        if self._profanity:
            stages["alt-profanity-check"] = self._profanity([r.prompt for r in requests])
        return Scores(stages, llm, cnn)

    def _timed(self, stage: str, count: int, read: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        found = read()
        self.ms.setdefault(stage, []).append((time.perf_counter() - started) * 1000 / count)
        return found

    def _listed(self, request: GuardRequest) -> float:
        """1 where a listed word blocks, one half where it calls for the language model."""
        hits = self._blocklist.find(readings(request.prompt))
        acting = {n for n, c in self.policy.categories.items() if c.action != "allow"}
        return 1.0 if acting & {*hits.blocked} else 0.5 if acting & {*hits.suspect} else 0.0


def _profanity_check() -> Callable[[Sequence[str]], Floats] | None:
    try:
        from profanity_check import predict_prob
    except ImportError:
        return None
    return lambda texts: np.asarray(predict_prob(list(texts)), dtype=np.float64)


def auc(harmful: Floats, harmless: Floats) -> float:
    """Area under the ROC curve."""
    truth = [1] * len(harmful) + [0] * len(harmless)
    return round(float(roc_auc_score(truth, np.concatenate([harmful, harmless]))), 4)


def recall(harmful: Floats, harmless: Floats) -> float:
    """Share of `harmful` above the score that 2 % of `harmless` reach."""
    return round(float((harmful > np.quantile(harmless, 1 - FALSE_POSITIVES)).mean()), 4)


def traffic(
    users: Scores, harmful: Scores, twins: Scores, policy: Policy, stages: Stages
) -> dict[str, Any]:
    """What the cascade does with users' prompts, 5 % of them harmful, beside the LLM on all."""
    result: dict[str, Any] = {"pass_below": policy.cnn.pass_below}
    for name, scores in (("users", users), ("harmful", harmful), ("look_alikes", twins)):
        asked, stopped = cascaded(scores, policy, stages)
        result[name] = {
            "n": len(asked),
            "llm_sees": _share(asked),
            "stopped": _share(stopped),
            "stopped_by_llm_on_all": _share(scores.llm.stopped(stages.llm_scale)),
        }
    count, bad = len(users.stages["cnn"]), HARMFUL_SHARE
    seen, caught = result["users"]["llm_sees"], result["harmful"]["llm_sees"]
    result["llm_sees"] = round((seen + bad * caught) / (1 + bad), 4)
    result["prompts"] = round(count * (1 + bad))
    return result


def cascaded(scores: Scores, policy: Policy, stages: Stages) -> tuple[np.ndarray, np.ndarray]:
    """bool [N] each: whether the LLM is asked, and whether the prompt is stopped in the end."""
    cnn, listed = scores.stages["cnn"], scores.stages["blocklist"]
    by_list = listed == 1.0
    passed = (cnn < policy.cnn.pass_below) & (listed == 0)
    alone = np.array([d.action == "block" for d in scores.cnn.decisions(stages.cnn_scale)])
    blocking = [category.action == "block" for category in policy.categories.values()]
    surely = scores.cnn.acting(stages.cnn_scale, np.array(blocking))
    blocked = (surely > policy.cnn.block_above) & alone
    asked = ~(by_list | passed | blocked)
    together = [
        decide(mixed(llm, seen, policy), policy, request.operation, loosen=False)
        for llm, seen, request in zip(
            scores.llm.tables(stages.llm_scale),
            scores.cnn.tables(stages.cnn_scale),
            scores.llm.requests,
            strict=True,
        )
    ]
    stopped = np.array([decision.action in ("block", "rewrite") for decision in together])
    return asked, by_list | blocked | (asked & stopped)


def _share(hits: np.ndarray) -> float:
    return round(float(hits.mean()), 4)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--policy", type=Path, default=Path("configs/policies/default.yaml"))
    parser.add_argument("--models", type=Path, default=Path("models/miniature"))
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--captions", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="of the language model")
    parser.add_argument("--scores", type=Path, help="also write every score to this .npz")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    policy, lexicon = load_policy(args.policy), corpora.Lexicon()
    stages = Stages(policy, args.models, args.cache, args.device)
    held_out = corpora.load(args.corpora).held_out_users
    # Users type harmful prompts too; those that a word list finds are no false positives.
    users = stages.read(prompts([t for t in held_out if not lexicon.harm(t)][: args.users]))
    everyday = stages.read(prompts(captions(args.captions, seed=0, split="test")))
    twins = [t for t in hand_written() if t.category and policy.categories[t.category].flags]
    bad, good = (stages.read([getattr(t, side) for t in twins]) for side in ("harmful", "harmless"))
    negative = _rows(NEGATIVES)
    avoiding = {
        harm: stages.read([GuardRequest(**r["request"]) for r in negative if r["harmful"] is harm])
        for harm in (True, False)
    }
    names = np.array([t.category for t in twins])
    result: dict[str, Any] = {
        "stages": {
            stage: {
                "captions_auc": auc(bad.stages[stage], everyday.stages[stage]),
                "users_auc": auc(bad.stages[stage], users.stages[stage]),
                "twins_auc": auc(bad.stages[stage], good.stages[stage]),
                "recall_at_2pct_of_users": recall(bad.stages[stage], users.stages[stage]),
                "recall_at_2pct_of_captions": recall(bad.stages[stage], everyday.stages[stage]),
                "recall_at_2pct_of_look_alikes": recall(bad.stages[stage], good.stages[stage]),
                "captions_stopped": _share(everyday.stages[stage] >= 0.5),
                "users_stopped": _share(users.stages[stage] >= 0.5),
                "twins_by_category": {
                    name: auc(bad.stages[stage][names == name], good.stages[stage][names == name])
                    for name in dict.fromkeys(names.tolist())
                },
                "negative_right": round(
                    float(
                        np.concatenate(
                            [
                                avoiding[True].stages[stage] >= 0.5,
                                avoiding[False].stages[stage] < 0.5,
                            ]
                        ).mean()
                    ),
                    4,
                ),
            }
            for stage in bad.stages
        },
        "pairs": len(twins),
        "figures_election": _figures(stages),
        "ms_each": {stage: round(float(np.median(ms)), 2) for stage, ms in stages.ms.items()},
    }
    some = random.Random(0).sample(range(len(twins)), round(args.users * HARMFUL_SHARE))
    chosen = stages.read([twins[i].harmful for i in some])
    result["traffic"] = traffic(users, chosen, good, policy, stages)
    if args.scores:
        sets = {"users": users, "everyday": everyday, "bad": bad, "good": good}
        sets |= {"avoiding": avoiding[True], "avoided": avoiding[False]}
        arrays: dict[str, Any] = {"names": names}
        for name, scores in sets.items():
            arrays |= {f"{name}/{stage}": values for stage, values in scores.stages.items()}
        np.savez(args.scores, **arrays)
    print(json.dumps(result))


def _figures(stages: Stages) -> dict[str, dict[str, float]]:
    """Recall and false positives of the category's own score, at the policy's threshold."""
    rows, policy, found = _rows(FIGURES), stages.policy, {}
    for name in dict.fromkeys(row["category"] for row in rows):
        own = [row for row in rows if row["category"] == name]
        llm = stages.read(prompts([row["prompt"] for row in own])).llm
        scores = np.array([d.scores[name] for d in llm.decisions(stages.llm_scale)])
        harmful = np.array([row["harmful"] for row in own])
        act = policy.thresholds_of(name).act
        found[name] = {
            "auc": auc(scores[harmful], scores[~harmful]),
            "recall": _share(scores[harmful] >= act),
            "false_positives": _share(scores[~harmful] >= act),
        }
    return found


if __name__ == "__main__":
    main()
