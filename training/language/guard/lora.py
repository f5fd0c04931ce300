"""Trains the guard's LoRA: `safe`, or `unsafe` and the letter of the violated category.

    python -m training.language.guard.lora --corpora FOLDER --out models/miniature/guard

One step is one lesson (a policy and the prompts under it) in one packed sequence. Interrupted
training goes on from its checkpoint in `--run`; the adapter is exported at every checkpoint.
"""

import argparse
from pathlib import Path

from transformers import AutoTokenizer

from deployments.guard.language.template import GuardTemplate
from deployments.inference.embedded.language import base_model
from deployments.inference.protocols import Tokenizer
from deployments.policy import load_policy
from training.language import corpora
from training.language.fit import Schedule, fit
from training.language.guard.lessons import Curriculum, Lesson
from training.language.packing import Pack, pack


def packed(lesson: Lesson, tokenizer: Tokenizer, end: int) -> Pack:
    """The lesson as one sequence, written by the template that serving uses.

    `end` is the token behind a finished answer.
    """
    template = GuardTemplate(tokenizer, lesson.policy)
    tails, answers = [], []
    for row, label in zip(lesson.rows, lesson.labels, strict=True):
        tails.append(template.encode(row.request())[len(template.prefix_ids) :])
        if label is None:
            answers.append([template.safe_id, end])
        else:
            answers.append([*template.with_unsafe([]), template.code_ids[label], end])
    return pack(template.prefix_ids, tails, answers)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--policy", type=Path, default=Path("configs/policies/default.yaml"))
    parser.add_argument("--out", type=Path, default=Path("models/miniature/guard"))
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--run", type=Path, default=Path("runs/guard"), help="checkpoints")
    parser.add_argument("--prompts", type=int, default=16, help="prompts in a step")
    parser.add_argument("--seed", type=int, default=0)
    Schedule.add_arguments(parser, steps=700, rate=4e-4)
    args = parser.parse_args()

    base = base_model(args.cache)
    tokenizer = AutoTokenizer.from_pretrained(base)
    curriculum = Curriculum(
        load_policy(args.policy), corpora.load(args.corpora), args.prompts, args.seed
    )
    fit(
        base,
        lambda index: packed(curriculum.lesson(index), tokenizer, tokenizer.eos_token_id),
        Schedule.of(args),
        run=args.run,
        out=args.out,
    )


if __name__ == "__main__":
    main()
