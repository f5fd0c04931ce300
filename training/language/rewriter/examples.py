"""What the rewriter learns from: demeaning prompts and respectful rewrites of them.

Most pairs come from our grammar, where both sides share everything harmless. Some come from the
public pairs, where the harmless twin keeps most of the words. Some are users' harmless prompts,
which stay as they are. A batch is a pure function of (seed, index), so training can stop and go on.
"""

import random
import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import yaml

from deployments.rewriter.revise.template import VAGUE
from training.language.corpora import MINORS, Corpora
from training.language.grammar import choose, expand
from training.language.guard.text import GuardText

TABLES = Path(__file__).parent / "tables"
CATEGORIES = ("demeaning",) * 6 + ("stereotypes", "hate", "harassment", "disrespect")
"""Names that a policy may have for the category; the default policy has `demeaning`."""
GENERIC = ("public_figures", "intellectual_property")
"""Categories whose prompts get a generic description in place of a name."""
ALIKE = 0.6
"""Least share of words, in order, that the two sides of a public pair have in common."""

_SLOT = re.compile(r"<[a-z_]+2?>")
_A = re.compile(r"\b([Aa]) (?=[aeiou](?!uro|ni|ne\b|se|kr))")
_AN = re.compile(r"\b([Aa])n (?=[bcdfgjklmnpqrstvwxyz])")


@dataclass(frozen=True)
class Example:
    """A prompt and its rewrite; None if nothing harmless would be left."""

    prompt: str
    answer: str | None
    category: str = "demeaning"


class Grammar:
    """A paired template grammar: lines `left => right`, and slots with fillers `left ~ right`."""

    def __init__(self, path: Path = TABLES / "grammar.yaml") -> None:
        tables = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.frames: list[str] = tables["frames"].strip().splitlines()
        self._slots = {
            name: [filler.strip() for filler in text.split(";")]
            for name, text in tables["slots"].items()
        }

    def example(self, frame: str, rng: random.Random) -> Example:
        """One expansion of `frame`, a line `left => right`.

        Raises:
            KeyError: the frame names a slot that does not exist.
        """
        left, right = (choose(side, rng) for side in frame.split(" => "))
        while slot := _SLOT.search(left) or _SLOT.search(right):
            harsh, kind = self._filler(slot[0].strip("<>2"), rng)
            left, right = left.replace(slot[0], harsh), right.replace(slot[0], kind)
        prompt, answer = _tidy(left), _tidy(right)
        return Example(prompt, None if answer == "none" else answer)

    def word(self, slot: str, rng: random.Random) -> str:
        """One filler of a slot without pairs, e.g. a style."""
        return self._filler(slot, rng)[0]

    def _filler(self, name: str, rng: random.Random) -> tuple[str, str]:
        harsh, parted, kind = choose(rng.choice(self._slots[name]), rng).partition(" ~ ")
        return harsh, kind if parted else harsh


class Batches:
    """Draws batches of `size` examples."""

    def __init__(self, corpora: Corpora, size: int = 32, seed: int = 0) -> None:
        self._size, self._seed, self._grammar = size, seed, Grammar()
        self._ground = Grammar(TABLES / "ground.yaml")
        self._text = GuardText()
        self._nameless = {
            name: [
                line for line in self._text.twins[name] if not {"edit:", "||"} & set(line.split())
            ]
            for name in GENERIC
        }
        self._users = [row.prompt for row in corpora.users if not MINORS.search(row.prompt)]
        self._pairs = [
            Example(pair.unsafe, pair.safe)
            for pair in corpora.pairs
            if pair.category in ("demeaning", "harassment")
            and not MINORS.search(pair.unsafe + pair.safe)
            and SequenceMatcher(None, pair.unsafe.split(), pair.safe.split()).ratio() >= ALIKE
        ]

    def batch(self, index: int) -> list[Example]:
        """The batch with that index."""
        rng = random.Random(f"{self._seed}/{index}")
        return [self._example(rng) for _ in range(self._size)]

    def _example(self, rng: random.Random) -> Example:
        draw, category = rng.random(), rng.choice(CATEGORIES)
        if draw < 0.25:
            return self._dressed(
                self._ground.example(rng.choice(self._ground.frames), rng), VAGUE, rng
            )
        if draw < 0.28:
            kept = _excerpt(rng.choice(self._users), rng)
            return Example(kept, kept, VAGUE)
        if draw < 0.36:
            kept = _excerpt(rng.choice(self._users), rng)
            return Example(kept, kept, category)
        if draw < 0.44:
            return self._dressed(self._generic(rng), None, rng)
        if draw < 0.47 and self._pairs:
            pair = rng.choice(self._pairs)
            return Example(pair.prompt, pair.answer, category)
        found = self._grammar.example(rng.choice(self._grammar.frames), rng)
        return self._dressed(found, category, rng)

    def _generic(self, rng: random.Random) -> Example:
        """A twin of the guard's grammar: a known name, and a generic description in its place."""
        category = rng.choice(GENERIC)
        known, nameless = rng.choice(self._nameless[category]).split(" => ")
        bound: dict[str, str] = {}
        return Example(
            expand(known, self._text.slots, rng, bound),
            expand(nameless, self._text.slots, rng, bound),
            category,
        )

    def _dressed(self, found: Example, category: str | None, rng: random.Random) -> Example:
        """The same words around both sides: styles, users' tags, a capital, a full stop."""
        before = after = ""
        draw = rng.random()
        if draw < 0.35:
            after = ", " + self._grammar.word("style", rng)
        elif draw < 0.5:
            after = ", " + _tags(rng.choice(self._users), rng)
        elif draw < 0.57:
            before = self._grammar.word("style", rng) + rng.choice((" of ", ", ", ": "))
        elif draw < 0.62:
            before = _tags(rng.choice(self._users), rng) + ", "
        capital, stop = rng.random() < 0.3, rng.random() < 0.2

        def around(text: str) -> str:
            text = before + text + after
            if capital:
                text = text[:1].upper() + text[1:]
            return text + "." if stop and text[-1].isalnum() else text

        answer = None if found.answer is None else around(found.answer)
        return Example(around(found.prompt), answer, category or found.category)


def _tidy(text: str) -> str:
    text = " ".join(text.split()).replace(" ,", ",")
    return _AN.sub(r"\1 ", _A.sub(r"\1n ", text))


def _tags(prompt: str, rng: random.Random) -> str:
    """Some neighbouring comma-separated parts of a user's prompt, at most 24 words."""
    parts = [part.strip() for part in prompt.split(",") if part.strip()]
    if not parts:
        return prompt
    start = rng.randrange(len(parts))
    tags = ", ".join(parts[start : start + rng.randint(1, 5)])
    return " ".join(tags.split()[:24])


def _excerpt(prompt: str, rng: random.Random, words: int = 36) -> str:
    parts = prompt.split()
    start = rng.randint(0, max(len(parts) - words, 0))
    return " ".join(parts[start : start + words])
