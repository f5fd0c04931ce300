"""Trains the rewriter's LoRA: a demeaning prompt in, the respectful one out.

    python -m training.language.rewriter.lora --corpora FOLDER --out models/miniature/rewriter

Interrupted training goes on from its checkpoint in `--run`; the adapter is exported at every
checkpoint.
"""

import argparse
from pathlib import Path

from transformers import AutoTokenizer

from deployments.inference.embedded.language import base_model
from deployments.rewriter.revise.template import NOTHING, RewriterTemplate
from training.language import corpora
from training.language.fit import Schedule, fit
from training.language.packing import Pack, pack
from training.language.rewriter.examples import Batches, Example


def packed(batch: list[Example], template: RewriterTemplate) -> Pack:
    """The batch as one sequence behind the instruction, written by the template of serving."""
    skip = len(template.prefix_ids)
    tails = [template.encode(example.prompt, example.category)[skip:] for example in batch]
    answers = [template.plain(example.answer or NOTHING) + template.stop_ids for example in batch]
    return pack(template.prefix_ids, tails, answers)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--out", type=Path, default=Path("models/miniature/rewriter"))
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--run", type=Path, default=Path("runs/rewriter"), help="checkpoints")
    parser.add_argument("--prompts", type=int, default=24, help="prompts in a step")
    parser.add_argument("--seed", type=int, default=0)
    Schedule.add_arguments(parser, steps=300, rate=5e-4)
    args = parser.parse_args()

    base = base_model(args.cache)
    template = RewriterTemplate(AutoTokenizer.from_pretrained(base))
    batches = Batches(corpora.load(args.corpora), args.prompts, args.seed)
    fit(
        base,
        lambda index: packed(batches.batch(index), template),
        Schedule.of(args),
        run=args.run,
        out=args.out,
    )


if __name__ == "__main__":
    main()
