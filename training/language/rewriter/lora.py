"""Trains the rewriter's LoRA, which turns a demeaning prompt into a respectful one.

    python -m training.language.rewriter.lora --corpora FOLDER --out models/miniature/rewriter

Training goes on from a checkpoint in `--run`, if there is one, and exports the adapter at every
checkpoint.
"""

from transformers import AutoTokenizer

from deployments.inference.embedded.language import base_model
from deployments.rewriter.revise.template import NOTHING, RewriterTemplate
from training.language import corpora
from training.language.finetune import DEFAULTS, Settings, finetune
from training.language.packing import Pack, pack
from training.language.rewriter.examples import Batches, Example
from training.options import REQUIRED, options
from training.paths import CACHE, MODELS, RUNS


def packed(batch: list[Example], template: RewriterTemplate) -> Pack:
    """The batch as one sequence behind the instruction, written by the template that serves."""
    skip = len(template.prefix_ids)
    tails = [template.encode(example.prompt, example.category)[skip:] for example in batch]
    answers = [template.plain(example.answer or NOTHING) + template.stop_ids for example in batch]
    return pack(template.prefix_ids, tails, answers)


def main() -> None:
    parser = options(
        __doc__, corpora=REQUIRED, out=MODELS / "rewriter", cache=CACHE, run=RUNS / "rewriter",
        seed=0, steps=300, rate=5e-4, **DEFAULTS,
    )  # fmt: skip
    parser.add_argument("--prompts", type=int, default=24, help="prompts in a pack")
    args = parser.parse_args()

    base = base_model(args.cache)
    template = RewriterTemplate(AutoTokenizer.from_pretrained(base))
    batches = Batches(corpora.load(args.corpora), args.prompts, args.seed)
    finetune(
        base,
        lambda index: packed(batches.batch(index), template),
        Settings.of(args),
        run=args.run,
        out=args.out,
    )


if __name__ == "__main__":
    main()
