"""Softens our hand-written demeaning prompts and asks the guard whether it would let them pass.

    python -m evaluation.rewriter --table

The prompts (demeaning_prompts.jsonl) were written before the rewriter was trained. Answers are
greedy and kept to serving's limit of length. `--table` prints each prompt with its rewriting as
Markdown; the last line is JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from deployments.contracts import GuardRequest
from deployments.embedded.language import base_model, merge
from deployments.policy import load_policy
from deployments.rewriter.template import RewriterTemplate
from evaluation.guard import Guard

PROMPTS = Path(__file__).with_name("demeaning_prompts.jsonl")
CATEGORY = "demeaning"
SPARE_TOKENS = 32
"""How many tokens longer than the prompt an answer may be before it counts as cut off."""


class Rewriter:
    """The merged rewriter in plain `transformers`."""

    def __init__(self, model: Path) -> None:
        """`model` is a `transformers` folder: the base with the rewriter's LoRA merged in."""
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self._model = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16).eval()
        self._template = RewriterTemplate(self._tokenizer)

    @torch.inference_mode()
    def soften(self, prompt: str) -> str | None:
        """The softened prompt; None where the model finds nothing to keep or does not finish."""
        ids = torch.tensor([self._template.encode(prompt, CATEGORY)])
        stop = self._template.stop_ids
        answer = self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=len(self._template.text(prompt)) + SPARE_TOKENS,
            do_sample=False,
            eos_token_id=stop,
            pad_token_id=stop[0],
        )[0, ids.shape[1] :].tolist()
        if answer[-1:] != stop:
            return None
        return self._template.parse(self._tokenizer.decode(answer[:-1]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--policy", type=Path, default=Path("configs/policies/default.yaml"))
    parser.add_argument("--adapter", type=Path, default=Path("models/miniature/rewriter"))
    parser.add_argument("--guard", type=Path, default=Path("models/miniature/guard"))
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--table", action="store_true", help="print every rewriting")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    policy = load_policy(args.policy)
    guard = Guard(args.guard, args.cache)
    rewriter = Rewriter(merge(base_model(args.cache), args.adapter, args.cache))
    lines = PROMPTS.read_text(encoding="utf-8").splitlines()
    prompts = [json.loads(line)["prompt"] for line in lines]
    softened = [rewriter.soften(prompt) for prompt in prompts]
    before = guard.actions([GuardRequest(prompt=prompt) for prompt in prompts], policy)
    kept = [(i, text) for i, text in enumerate(softened) if text and text != prompts[i]]
    verdicts = guard.actions([GuardRequest(prompt=text) for _, text in kept], policy)
    after = dict(zip((i for i, _ in kept), verdicts, strict=True))
    if args.table:
        print("| prompt | guard | softened | guard |\n| --- | --- | --- | --- |")
        for i, prompt in enumerate(prompts):
            cells = (prompt, before[i], softened[i] or "(nothing kept)", after.get(i, "-"))
            print(f"| {' | '.join(cells)} |")
    passed = np.array([after.get(i) in ("allow", "steer") for i in range(len(prompts))])
    caught = np.array([action in ("rewrite", "block") for action in before])
    result = {
        "prompts": len(prompts),
        "guard_stops_before": round(float(caught.mean()), 4),
        "rewritten": round(len(kept) / len(prompts), 4),
        "guard_passes_after": round(float(passed.mean()), 4),
        "guard_passes_after_of_stopped": round(float(passed[caught].mean()), 4),
        "left_unchanged": sum(
            text == prompt for text, prompt in zip(softened, prompts, strict=True)
        ),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
