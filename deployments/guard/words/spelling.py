"""Finds words in text however they are spelt: apart, repeated, in code, masked, mistyped.

A trie of the words is walked from each place where one may start; a character may take several
branches, separators take none. Walks end after `REACH` characters and nearly all after two or
three, so the time is linear in the text. A term that real English words spell by themselves is not
found: `be heading`, `ballet`, `lunching`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from symspellpy import SymSpell, Verbosity

from deployments.guard.words.normalise import PART, QUANTITY, known_words, letters

SHORT, LONG = 4, 6
"""From `SHORT` letters on, two neighbours may be swapped; from `LONG` on, any one edit counts."""
BACKWARDS = 4
"""Words of this many letters are found backwards too."""
SENTENCE = 12
"""Letters that real words in a row spell only on purpose: `deep fake nudes`."""
REACH = 120
"""Characters that one disguised word may take."""
GAP = 4
"""Characters that may stand between two letters."""
MASKS, MASK = 3, "*#"
"""How many letters of one word may be masked, and the characters that mask a letter."""
INSIDE = "!|+(<{"
"""Symbols that stand for letters only before others; elsewhere they are punctuation."""
DIGRAPHS = (("w", "vv"), ("f", "ph"), ("m", "rn"))
PIECE = re.compile(r"[^\W_]+")
NUMBERED = re.compile(r"\d[^\W_]|[^\W_]\d")
WHOLE = re.compile(r"(?<![^\W_])(?<!\w['’])[^\W_]++(?!['’]\w)")
"""Words without an apostrophe: the s of a possessive begins nothing."""
OWNED = re.compile(r"\w['’]")
BREAKS = re.compile(r"[\s,;:]")


@dataclass(frozen=True)
class Found:
    """A word and where it stands in the text."""

    word: str
    start: int
    end: int


@dataclass(eq=False, slots=True)
class _Node:
    letter: str = ""
    children: "dict[str, _Node]" = field(default_factory=dict)
    word: str | None = None


class Spelling:
    """Finds the given terms: one or more words of lower-case letters with single spaces."""

    def __init__(self, terms: Iterable[str]) -> None:
        self._root = _Node()
        self._terms: dict[str, list[str]] = {}
        for term in terms:
            self._terms.setdefault(term.replace(" ", ""), []).append(term)
        self._near = SymSpell(max_dictionary_edit_distance=1, prefix_length=32)
        for joined in self._terms:
            self._insert(joined, joined)
            for plain, digraph in DIGRAPHS:
                self._insert(joined.replace(plain, digraph), joined)
            backwards = joined[::-1]
            if len(joined) >= BACKWARDS and backwards not in known_words():
                self._insert(backwards, joined)
            if len(joined) >= SHORT:
                self._near.create_dictionary_entry(joined, 1)
        several = [term.split(" ") for same in self._terms.values() for term in same if " " in term]
        self._parts = frozenset(part for parts in several for part in parts if len(part) > 2)
        self._most = max((len(parts) for parts in several), default=1)
        self._longest = max(map(len, self._terms), default=0)

    def find(self, text: str) -> Iterator[Found]:
        """The terms that a lower-case text spells in disguise; plain ones may be among them."""
        stands, solid = [letters(c) for c in text], [c.isalnum() for c in text]
        for start, letters_here in enumerate(stands):
            begins = letters_here and not (start and solid[start - 1])
            if begins and not OWNED.match(text, max(start - 2, 0), start):
                yield from self._walk(text, start, stands, solid)
        yield from self._mistyped(text)

    def _insert(self, spelling: str, word: str) -> None:
        node = self._root
        for c in spelling:
            node = node.children.setdefault(c, _Node(c))
        node.word = node.word or word

    def _walk(self, text: str, start: int, stands: list[str], solid: list[bool]) -> Iterator[Found]:
        """`stands` and `solid` say per character its letters, and whether it is alphanumeric."""
        nodes, gap, masks, end = [self._root], 0, 0, len(text)
        for at in range(start, min(end, start + REACH)):
            c, here = text[at], stands[at]
            last = at + 1 == end or not solid[at + 1]
            if last and c in INSIDE:
                here = ""
            following = []
            for node in nodes:
                for letter in here:
                    if child := node.children.get(letter):
                        following.append(child)
                if not solid[at] or (not gap and node.letter and node.letter in here):
                    following.append(node)
            if c in MASK and masks < MASKS and at > start and (solid[at - 1] or masks):
                masks += 1
                following.extend(child for node in nodes for child in node.children.values())
            gap = 0 if solid[at] else gap + 1
            if not following or gap > GAP:
                return
            nodes = list(set(following)) if len(following) > 1 else following
            if not last:
                continue
            chunk = text[start : at + 1]
            for word in {node.word for node in nodes if node.word}:
                if self._disguised(chunk, word, masks):
                    yield from self._found(word, start, at + 1)

    def _disguised(self, chunk: str, word: str, masks: int) -> bool:
        """Whether a chunk of text means a word, not only happens to hold its letters."""
        if masks * 2 > len(word) or sum(map(str.isdigit, chunk)) > 3 * sum(map(str.isalpha, chunk)):
            return False
        numbered = [part for part in PART.findall(chunk) if NUMBERED.search(part)]
        if sum(1 for part in numbered if QUANTITY.fullmatch(part)) * 2 > len(numbered):
            return False
        pieces = PIECE.findall(chunk)
        apart = BREAKS.search(chunk) is not None
        if apart and len(word) < LONG:
            return all(len(piece) == 1 or piece not in known_words() for piece in pieces)
        if not all(piece in known_words() for piece in pieces):
            return True
        joined = "".join(pieces)
        if len(joined) < len(word):
            return chunk[0] not in INSIDE
        return len(pieces) > 1 and joined == word and (not apart or len(word) >= SENTENCE)

    def _mistyped(self, text: str) -> Iterator[Found]:
        pieces = list(WHOLE.finditer(text))
        for at, piece in enumerate(pieces):
            run = ""
            strange = part = False
            for other in pieces[at : at + self._most]:
                run += other[0]
                if len(run) > self._longest + 1:
                    break
                strange = strange or not (other[0].isdigit() or other[0] in known_words())
                part = part or other[0] in self._parts
                if strange and len(run) >= SHORT and (other is piece or part):
                    for word in self._neighbours(run):
                        yield from self._found(word, piece.start(), other.end())

    def _found(self, joined: str, start: int, end: int) -> Iterator[Found]:
        return (Found(term, start, end) for term in self._terms[joined])

    def _neighbours(self, run: str) -> Iterator[str]:
        for suggestion in self._near.lookup(run, Verbosity.ALL, max_edit_distance=1):
            word = suggestion.term
            if len(word) >= LONG or sorted(word) == sorted(run):
                yield word
