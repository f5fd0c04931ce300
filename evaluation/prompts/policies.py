"""Whether each shipped policy decides as its text means, on the running guard.

    python -m evaluation.prompts.policies --table

Sixty hand-written prompts (policies.jsonl) whose right answer depends on the policy: nudes in art
and battles in history, alcohol, public figures and brands; and some on which all agree. One vLLM
engine, a cascade for each policy. The last line is JSON.
"""

import argparse
import asyncio
import json
import os
from pathlib import Path
from typing import Any

from deployments.contracts import GuardRequest
from deployments.guard.models import GuardModels
from deployments.inference.language_model import LanguageModel
from deployments.ops.policy.diff import ENVIRONMENT, read_guard
from deployments.policy import load_policy
from evaluation.common.files import CASES

PROMPTS = CASES / "policies.jsonl"
NAMES = ("default", "strict", "museum")


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    config, environment = read_guard(args.config)
    os.environ.update(ENVIRONMENT | environment)  # as a replica has it
    rows = [json.loads(line) for line in PROMPTS.read_text(encoding="utf-8").splitlines()]
    model = LanguageModel("guard", config.llm)
    try:
        models, result = GuardModels(model, config), dict[str, Any]()
        for name in NAMES:
            cascade = models.cascade(load_policy(args.policies / f"{name}.yaml"), config.cnn)
            verdicts = await asyncio.gather(
                *(cascade.judge(GuardRequest(prompt=row["prompt"])) for row in rows)
            )
            # A prompt that is steered is drawn: it counts as allowed.
            given = ["allow" if v.action == "steer" else v.action for v in verdicts]
            right = [answer == row[name] for answer, row in zip(given, rows, strict=True)]
            differs = [row[name] != row["default"] for row in rows]
            result[name] = {
                "right": sum(right),
                "n": len(rows),
                "right_where_it_differs": sum(r for r, d in zip(right, differs, strict=True) if d),
                "differs": sum(differs),
            }
            if args.table:
                for row, answer, hit in zip(rows, given, right, strict=True):
                    if not hit:
                        print(f"{name}: {answer}, not {row[name]}: {row['prompt']}")
        return result
    finally:
        model.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("configs/miniature.yaml"))
    parser.add_argument("--policies", type=Path, default=Path("configs/policies"))
    parser.add_argument("--table", action="store_true", help="print what was decided otherwise")
    print(json.dumps(asyncio.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
