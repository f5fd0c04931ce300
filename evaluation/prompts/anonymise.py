"""Private persons' names and details, taken out of hand-written cases and of users' prompts.

The cases were written before the tagger was trained, with names and sentence forms that its
generator has none of. A name is gone if none of its words is left. Which users' prompts are changed
is printed, to be read: whether a full name there is a private person's only a reader can tell.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from deployments.inference.embedded.resolve import resolve
from deployments.policy import Changes
from deployments.rewriter.anonymise.anonymiser import Anonymiser
from deployments.rewriter.anonymise.known_names import plain
from deployments.rewriter.anonymise.tagger import Recogniser
from evaluation.common.files import rows
from evaluation.common.intervals import Estimate, mean, share
from evaluation.common.measurement import Declared, Measurement, Row, percent
from training.language import corpora

WRITTEN, UNSEEN = "anonymise.jsonl", "anonymise_unseen.jsonl"
"""The latter was written later than the rules, before any model or rule was run on it; only its
first run was blind (private 77 of 79, stays 29 of 30). Some rules were mended after that."""
KINDS = ("private", "bare", "details", "stays")
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


def cases(name: str = WRITTEN) -> list[Case]:
    """The hand-written cases of a file."""
    return [Case(**row) for row in rows(name)]


def left_of(gone: str, prompt: str, result: str) -> bool:
    """Whether any word of `gone` is still in the result as often as in the prompt."""
    words = [word for word in plain(gone).split() if len(word) > 1 and word not in GENERIC]
    before, after = plain(prompt).split(), plain(result).split()
    return any(after.count(word) >= before.count(word) for word in words)


class Anonymise(Measurement):
    """What must go and what must stay, and how often users' prompts are changed."""

    name = "anonymise"
    question = "Are private persons' names and details taken out, and all other names left?"
    minutes = 3
    needs = frozenset({"corpora"})
    shard = 200
    declared: ClassVar = {
        "private": percent("names in a private context taken out"),
        "bare": percent("whole names without a context taken out"),
        "details": percent("addresses and numbers taken out"),
        "stays": percent("prompts whose names must stay, left as they are"),
        "unseen_private": percent("names of private persons taken out, cases later than the rules"),
        "unseen_stays": percent("prompts that must stay, left, cases later than the rules"),
        "users": percent("held-out users' prompts that are changed"),
        "ms": Declared("time of a user's prompt", "ms"),
    }

    def items(self) -> Sequence[tuple[str, Case]]:
        """(file, case); of the users' prompts the file is "users"."""
        most = self.options.of(2000)
        written = [(name, case) for name in (WRITTEN, UNSEEN) for case in cases(name)[:most]]
        if self.options.corpora is None:
            return written
        users = corpora.load(self.options.corpora).held_out_users[:most]
        return [*written, *(("users", Case("user", text)) for text in users)]

    async def start(self) -> None:
        recogniser = Recogniser(Path(resolve("embedded:names")))
        self._anonymiser = Anonymiser(recogniser, Changes())

    async def measure(self, items: Sequence[tuple[str, Case]]) -> list[Row]:
        return [self._row(case) for _, case in items]

    def _row(self, case: Case) -> Row:
        started = time.perf_counter()
        result, changes = self._anonymiser.anonymise(case.prompt)
        ms = (time.perf_counter() - started) * 1000
        if case.kind in ("stays", "user"):
            right = [result == case.prompt]
        else:
            right = [not left_of(gone, case.prompt, result) for gone in case.gone]
        return {"right": right, "result": result, "changed": bool(changes), "ms": ms}

    def estimates(self, rows: Sequence[Row]) -> dict[str, Estimate]:
        both = list(zip(self.items(), rows, strict=True))

        def right(file: str, kind: str) -> Estimate:
            chosen = [row for (name, case), row in both if (name, case.kind) == (file, kind)]
            return share(hit for row in chosen for hit in row["right"])

        users = [row for (name, _), row in both if name == "users"]
        return {
            **{kind: right(WRITTEN, kind) for kind in KINDS},
            "unseen_private": right(UNSEEN, "private"),
            "unseen_stays": right(UNSEEN, "stays"),
            "users": share(row["changed"] for row in users),
            "ms": mean(row["ms"] for row in users),
        }

    def finish(self, rows: Sequence[Row]) -> None:
        for (_, case), row in zip(self.items(), rows, strict=True):
            if not all(row["right"]):
                print(f"{case.kind}: {case.prompt} -> {row['result']}")


MEASUREMENT = Anonymise
