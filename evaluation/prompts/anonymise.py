"""Anonymises hand-written cases and held-out user prompts.

    python -m evaluation.prompts.anonymise --corpora FOLDER --changed

The cases (anonymise_cases.jsonl) were written before the tagger was trained, with names and
sentence forms that its generator has none of. A name is gone if none of its words is left.
`--changed` prints the user prompts that were changed, to be read by eye: whether a full name there
is a private person's, nobody can tell but a reader. The last line is JSON.
"""

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from deployments.inference.embedded.resolve import resolve
from deployments.rewriter.anonymise.anonymiser import Anonymiser
from deployments.rewriter.anonymise.known_names import plain
from deployments.rewriter.anonymise.tagger import Recogniser
from evaluation.common.files import CASES
from evaluation.common.shares import share
from training.language.corpora import load

WRITTEN = CASES / "anonymise.jsonl"
UNSEEN = CASES / "anonymise_unseen.jsonl"
"""Written before any model or rule was run on it, but later than the rules; only its first run was
blind (private 77 of 79, stays 29 of 30). Some rules were mended after that."""
GENERIC = ("flat", "apartment", "mail")
"""Words of an address that its replacement may have too."""


@dataclass(frozen=True)
class Case:
    """One prompt. `gone` must not be left of it; without any, the prompt must stay as it is.

    `kind` is `private` (names in a private context), `bare` (whole names without one), `details`
    (addresses, numbers), or `stays`.
    """

    kind: str
    prompt: str
    culture: str = ""
    gone: list[str] = field(default_factory=list)


def cases(path: Path = WRITTEN) -> list[Case]:
    """The hand-written cases."""
    return [Case(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def left_of(gone: str, prompt: str, result: str) -> bool:
    """Whether any word of `gone` is still in the result as often as in the prompt."""
    words = [word for word in plain(gone).split() if len(word) > 1 and word not in GENERIC]
    before, after = plain(prompt).split(), plain(result).split()
    return any(after.count(word) >= before.count(word) for word in words)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--names", default="embedded:names", help="the tagger's folder")
    parser.add_argument("--corpora", type=Path, help="folder of the public prompt sets")
    parser.add_argument("--changed", action="store_true", help="print changed user prompts")
    parser.add_argument("--table", action="store_true", help="print every case's result")
    parser.add_argument("--cases", type=Path, default=WRITTEN, help=f"or {UNSEEN.name} beside it")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    anonymiser = Anonymiser(Recogniser(Path(resolve(args.names))))
    found: dict[str, list[bool]] = {"private": [], "bare": [], "details": [], "stays": []}
    for case in cases(args.cases):
        result, _ = anonymiser.anonymise(case.prompt)
        if case.kind == "stays":
            right = [result == case.prompt]
        else:
            right = [not left_of(gone, case.prompt, result) for gone in case.gone]
        found[case.kind] += right
        if args.table or not all(right):
            print("  " if all(right) else "! ", case.prompt, "->", result)
    figures: dict[str, object] = {kind: share(right) for kind, right in found.items()}
    figures["cultures"] = len({c.culture for c in cases(args.cases) if c.kind == "private"})
    if args.corpora is not None:
        figures["users"] = _users(anonymiser, args.corpora, args.changed)
    print(json.dumps(figures))


def _users(anonymiser: Anonymiser, corpora: Path, shown: bool) -> dict[str, object]:
    """How many prompts that training did not see are changed, and milliseconds per prompt."""
    prompts = load(corpora).held_out_users
    changed, started = [], time.monotonic()
    for prompt in prompts:
        _, changes = anonymiser.anonymise(prompt)
        changed.append(bool(changes))
        if changes and shown:
            cut = " | ".join(f"{c.before} => {c.after}" for c in changes)
            print(f"* {cut} :: {prompt[:150]}")
    milliseconds = (time.monotonic() - started) * 1000 / len(prompts)
    return {"changed": share(changed), "ms": round(milliseconds, 1)}


if __name__ == "__main__":
    main()
