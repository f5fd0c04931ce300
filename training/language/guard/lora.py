"""Trains the guard's LoRA: `safe`, or `unsafe` and the letter of the violated category.

    python -m training.language.guard.lora --corpora FOLDER --out models/miniature/guard

One pack is one lesson (a policy and the prompts under it) in one sequence. Training goes on from a
checkpoint in `--run`, if there is one, and exports the adapter at every checkpoint.
"""

from transformers import AutoTokenizer

from deployments.guard.language.question import GuardTemplate
from deployments.inference.embedded.language import base_model
from deployments.inference.protocols import Tokenizer
from deployments.policy import load_policy
from training.language import corpora
from training.language.finetune import DEFAULTS, Settings, finetune
from training.language.guard.lessons import Curriculum, Lesson
from training.language.packing import Pack, pack
from training.options import POLICY, REQUIRED, options
from training.paths import CACHE, MODELS, RUNS


def packed(lesson: Lesson, tokenizer: Tokenizer, end: int) -> Pack:
    """The lesson as one sequence, written by the template that serves.

    `end` is the token that follows an answer.
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
    parser = options(
        __doc__, corpora=REQUIRED, policy=POLICY, out=MODELS / "guard", cache=CACHE,
        run=RUNS / "guard", seed=0, steps=700, rate=4e-4, **DEFAULTS,
    )  # fmt: skip
    parser.add_argument("--prompts", type=int, default=16, help="prompts in a pack")
    args = parser.parse_args()

    base = base_model(args.cache)
    tokenizer = AutoTokenizer.from_pretrained(base)
    curriculum = Curriculum(
        load_policy(args.policy), corpora.load(args.corpora), args.prompts, args.seed
    )
    finetune(
        base,
        lambda index: packed(curriculum.lesson(index), tokenizer, tokenizer.eos_token_id),
        Settings.of(args),
        run=args.run,
        out=args.out,
    )


if __name__ == "__main__":
    main()
