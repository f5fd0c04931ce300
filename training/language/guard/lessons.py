"""What the guard learns from: rows of the public sets and of our grammar, under varied policies.

A `Lesson` is one policy and prompts with their labels under it. It is a pure function of (seed,
index), so training can stop and go on anywhere. A prompt of a category that the policy does not
have is labelled safe.
"""

import random
import re
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from deployments.policy import Category, Examples, Policy
from training.language.corpora import Corpora, Lexicon, Pair, Row
from training.language.grammar import expand
from training.language.guard.text import GuardText
from training.language.guard.text import lines as _lines
from training.world.faults import FaultRates
from training.world.sample import draw
from training.world.wording.captions import Split

TABLES = Path(__file__).parent / "tables"

FALLBACK = {"sex_crimes": "sexual", "undressing": "sexual"}
"""Category -> the wider one that its prompts belong to under a policy with the wider one only."""

UNTAUGHT_WHEN_OFF = {
    "weapons": ("violence", "illicit"),
    "hate": ("demeaning", "harassment"),
    "demeaning": ("hate", "harassment"),
    "harassment": ("demeaning", "hate"),
    "sex_crimes": ("violence", "harassment"),
    "self_harm": ("violence",),
    "election": ("illicit",),
}
"""Category -> neighbours. A lesson whose policy lacks the category and has a neighbour leaves its
prompts out: whether they are safe is in doubt."""

LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5"})


@dataclass(frozen=True)
class Lesson:
    """One policy, prompts, and for each prompt the category that it violates, or None."""

    policy: Policy
    rows: list[Row]
    labels: list[str | None]


class Curriculum:
    """Draws lessons. `size` is the number of prompts that share one policy."""

    def __init__(self, policy: Policy, corpora: Corpora, size: int = 14, seed: int = 0) -> None:
        self._policy, self._users, self._size, self._seed = policy, corpora.users, size, seed
        self._named = [row for row in corpora.users if row.category]
        self._pairs: dict[str, list[Pair]] = {}
        for pair in corpora.pairs:
            self._pairs.setdefault(str(pair.category), []).append(pair)
        self._text, self._lexicon = GuardText(), Lexicon()
        variants = yaml.safe_load((TABLES / "policy_variants.yaml").read_text(encoding="utf-8"))
        self._rewordings, self._invented = variants["rewordings"], variants["invented"]
        self._words = {
            name: re.compile(rf"\b(?:{part['words']})", re.IGNORECASE)
            for name, part in self._invented.items()
        }

    def lesson(self, index: int) -> Lesson:
        """The lesson with that index."""
        rng = random.Random(f"{self._seed}/{index}")
        policy = self._policy if rng.random() < 0.25 else self._varied(rng)
        rows: list[Row] = []
        for name in self._off(policy, rng)[:4]:
            rows += self.written(name, rng)[:1] if rng.random() < 0.8 else self.twins(name, rng)
        for name in (name for name in policy.categories if name not in self._policy.categories):
            rows += [*self._operators(name, rng), *self._operators(name, rng)]
        rows += self._corpus_rows(rng)
        while len(rows) < self._size * 2:
            rows += self._grammar_rows(policy, rng)
        dressed = (self.dress(row, rng) for row in rows)
        taught = [row for row in dressed if self._teachable(row, policy)][: self._size]
        rng.shuffle(taught)
        return Lesson(policy, taught, [label(row, policy) for row in taught])

    def rows(self, rng: random.Random) -> list[Row]:
        """Some rows labelled under the default policy, for models that do not read a policy."""
        found = self._corpus_rows(rng)
        while len(found) < self._size:
            found += self._grammar_rows(self._policy, rng)
        return [
            self.dress(replace(row, category=label(row, self._policy)), rng)
            for row in found
            if self._teachable(row, self._policy)
        ]

    def twins(self, category: str, rng: random.Random) -> tuple[Row, Row]:
        """A harmful row of the grammar and its harmless look-alike, without decoration."""
        harmful, harmless = rng.choice(self._text.twins[category]).split(" => ")
        bound: dict[str, str] = {}
        return (
            self._row(harmful, category, None, rng, bound),
            self._row(harmless, None, category, rng, bound),
        )

    def written(self, category: str, rng: random.Random) -> list[Row]:
        """A harmful row of the grammar and a harmless one of the same field."""
        return [
            self._row(rng.choice(self._text.harmful[category]), category, None, rng, {}),
            self._row(rng.choice(self._text.harmless[category]), None, category, rng, {}),
        ]

    def everyday(self, rng: random.Random) -> Row:
        """A harmless row of no field in particular."""
        return self._row(rng.choice(self._text.everyday), None, None, rng, {})

    def dress(self, row: Row, rng: random.Random) -> Row:
        """The row as users may type it: with styles, other case, leetspeak or injections."""
        prompt, negative = row.prompt, row.negative
        if rng.random() < 0.3 and len(prompt) < 120 and row.operation == "generate":
            style = rng.choice(self._text.styles)
            prompt = f"{prompt}, {style}" if rng.random() < 0.75 else f"{style} of {prompt}"
        if rng.random() < 0.04:  # tags of real users around it, or noise between its words
            tags = _tags(rng.choice(self._users).prompt, rng)
            prompt = f"{prompt}, {tags}" if rng.random() < 0.7 else f"{tags}, {prompt}"
        if not negative and rng.random() < 0.08:
            negative = self._avoided(self._text.avoid_harm, rng)
        if rng.random() < 0.3:
            prompt = prompt[:1].upper() + prompt[1:] + rng.choice(("", "."))
        elif rng.random() < 0.15:
            prompt = prompt.lower().rstrip(".")
        elif rng.random() < 0.03:
            prompt = prompt.upper()
        if rng.random() < 0.03:
            words = prompt.split()
            spot = rng.randrange(len(words))
            words[spot] = rng.choice((words[spot].translate(LEET), " ".join(words[spot])))
            prompt = " ".join(words)
        if rng.random() < 0.02:
            words = prompt.split()
            for _ in range(rng.randint(1, 3)):
                words.insert(rng.randint(0, len(words)), _nonsense(rng))
            prompt = " ".join(words)
        if rng.random() < 0.05:
            prompt = rng.choice(self._text.injections).replace("{}", prompt)
        return replace(row, prompt=prompt, negative=negative)

    def _off(self, policy: Policy, rng: random.Random) -> list[str]:
        off = [name for name in self._policy.categories if name not in policy.categories]
        rng.shuffle(off)
        return off

    def _corpus_rows(self, rng: random.Random) -> list[Row]:
        rows = []
        category = rng.choice(list(self._pairs))
        pair, other = rng.choice(self._pairs[category]), rng.choice(self._pairs[category])
        safe = pair.safe if rng.random() < 0.5 else other.safe
        rows += [Row(pair.unsafe, category), Row(safe, None, near=category)]
        users = [rng.choice(self._users) for _ in range(3)]
        if rng.random() < 0.3:
            users[0] = rng.choice(self._named)
        return rows + [replace(row, prompt=_excerpt(row.prompt, rng)) for row in users]

    def _grammar_rows(self, policy: Policy, rng: random.Random) -> list[Row]:
        everyone = list(self._policy.categories)
        on = [name for name in everyone if name in policy.categories]
        category = rng.choice(on if on and rng.random() < 0.7 else everyone)
        draw = rng.random()
        if draw < 0.4:
            return list(self.twins(category, rng))
        if draw < 0.78:
            return self.written(category, rng)
        if draw < 0.82:
            return [self._negative(rng)]
        if draw < 0.87 and (lines := self._text.foreign.get(category)):
            return [
                self._row(rng.choice(lines), category, None, rng, {}),
                self._row(rng.choice(self._text.foreign["harmless"]), None, None, rng, {}),
            ]
        if draw < 0.9:  # an operator's category that this policy does not have is no category
            return self._operators(rng.choice(list(self._invented)), rng)[:1]
        return [Row(caption(rng), None)] if rng.random() < 0.4 else [self.everyday(rng)]

    def _negative(self, rng: random.Random) -> Row:
        """An adult, and a negative prompt that avoids harm, or clothes."""
        row = self._row(rng.choice(self._text.adults), None, "sexual", rng, {})
        if rng.random() < 0.5:
            return replace(row, negative=self._avoided(self._text.avoid_harm, rng))
        avoided = self._avoided(self._text.avoid_clothes, rng)
        return replace(row, category="sexual", near=None, negative=avoided)

    def _avoided(self, lines: list[str], rng: random.Random) -> str:
        return expand(rng.choice(lines), self._text.slots, rng, {})

    def _operators(self, name: str, rng: random.Random) -> list[Row]:
        part = self._invented[name]
        return [
            self._row(rng.choice(_lines(part["for"])), name, None, rng, {}),
            self._row(rng.choice(_lines(part["near"])), None, name, rng, {}),
        ]

    def _row(
        self,
        line: str,
        category: str | None,
        near: str | None,
        rng: random.Random,
        bound: dict[str, str],
    ) -> Row:
        operation = "edit" if line.startswith("edit: ") else "generate"
        prompt, _, negative = line.removeprefix("edit: ").partition("||")
        slots = self._text.slots
        return Row(
            expand(prompt, slots, rng, bound),
            category,
            expand(negative, slots, rng, bound),
            operation,
            near,
        )

    def _varied(self, rng: random.Random) -> Policy:
        """The policy with categories dropped, added, reworded, reordered, or with other letters."""
        categories = dict(self._policy.categories)
        draw = rng.random()
        if draw < 0.45:
            for name in rng.sample(sorted(categories), rng.randint(1, 6)):
                del categories[name]
        elif draw < 0.7:
            kept = rng.sample(sorted(categories), rng.randint(1, 5))
            categories = {name: c for name, c in categories.items() if name in kept}
        if rng.random() < 0.5:
            for name in categories:
                if rng.random() < 0.7:
                    text = rng.choice(self._rewordings[name])
                    categories[name] = categories[name].model_copy(update={"description": text})
        if rng.random() < 0.5:
            for name in rng.sample(sorted(self._invented), rng.randint(1, 3)):
                text = rng.choice(self._invented[name]["descriptions"])
                categories[name] = Category(
                    code="Z",
                    description=text,
                    why=text,
                    action="block",
                    examples=self._examples(name, rng) if rng.random() < 0.5 else None,
                )
        names = list(categories)
        if rng.random() < 0.5:
            rng.shuffle(names)
        letters = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")[: max(len(names), 14)]
        if rng.random() < 0.5:
            rng.shuffle(letters)
        # Names keep their letter unless the letters are recoded or the name is an added one.
        recoded = {
            name: categories[name].model_copy(update={"code": letter})
            for name, letter in zip(names, letters, strict=False)
        }
        return self._policy.model_copy(update={"categories": recoded})

    def _examples(self, name: str, rng: random.Random) -> Examples:
        rows = [self._operators(name, rng) for _ in range(rng.randint(2, 6))]
        return Examples(
            forbidden=tuple(forbidden.prompt for forbidden, _ in rows),
            allowed=tuple(allowed.prompt for _, allowed in rows),
        )

    def _teachable(self, row: Row, policy: Policy) -> bool:
        """Whether the row's label under the policy is beyond doubt."""
        if any(
            self._words[name].search(row.prompt)
            for name in policy.categories
            if name in self._invented and name not in (row.category, row.near)
        ):
            return False
        if row.category is None or row.category in policy.categories:
            return True
        if any(name in policy.categories for name in UNTAUGHT_WHEN_OFF.get(row.category, ())):
            return False
        # A word of another category that is still on the list: it may be that, too.
        others = tuple(n for n in policy.categories if n != FALLBACK.get(row.category))
        return not self._lexicon.any_of(others, row.prompt)


def caption(rng: random.Random, split: Split = "train") -> str:
    """A benign caption of the world; the split "test" has wordings that training never sees."""
    while True:
        example = draw(rng, FaultRates.none(), split)
        # A trait beside a group word can be a stereotype; whether it is, is not ours to guess here.
        if not example.wish.harm and not any(p.trait and p.group for p in example.wish.people):
            return example.caption.text


def captions(count: int, seed: int, split: Split = "train") -> list[str]:
    """`count` benign captions of the world."""
    rng = random.Random(seed)
    return [caption(rng, split) for _ in range(count)]


def label(row: Row, policy: Policy) -> str | None:
    """The category of `policy` that the row violates, or None if it is safe under that policy."""
    for name in (row.category, FALLBACK.get(row.category or "")):
        if name in policy.categories:
            return name
    return None


def _tags(text: str, rng: random.Random) -> str:
    """Some neighbouring comma-separated parts of a prompt, at most 16 words."""
    parts = [part.strip() for part in text.split(",") if part.strip()] or [text]
    start = rng.randrange(len(parts))
    return " ".join(", ".join(parts[start : start + rng.randint(1, 4)]).split()[:16])


def _nonsense(rng: random.Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789_-"
    return "".join(rng.choice(letters) for _ in range(rng.randint(3, 9)))


def _excerpt(text: str, rng: random.Random, words: int = 36) -> str:
    """At most `words` words in a row, from a random place: long prompts are read in windows."""
    parts = text.split()
    start = rng.randint(0, max(len(parts) - words, 0)) if rng.random() < 0.5 else 0
    return " ".join(parts[start : start + words])
