"""Which of the names in a prompt are a private person's.

Known names stay (a table), and so do artists' credits and names of works (the words around them).
What is left is private where the prompt says so (my neighbour, Mrs, a bedroom, an address), or
where it is a whole name and the tagger finds it private.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from deployments.rewriter.anonymise.tagger import KNOWN_NAMES
from deployments.rewriter.tables import pattern, read

_TABLES = Path(__file__).parent / "tables"
_WORDS = {heading: pattern(entries) for heading, entries in read(_TABLES / "words.txt").items()}
RELATIONS = _WORDS["relations"]
TITLE = rf"(?:{_WORDS['titles']})\.?"
PRIVATE = re.compile(
    rf"\b(?:{_WORDS['private']}|(?:{_WORDS['owners']}) (?:\w+ )?(?:{_WORDS['homes']}))\b",
    re.IGNORECASE,
)
OWNED = re.compile(rf"^['’]s?\s+(?:\w+ )?(?:{_WORDS['owned']})\b", re.IGNORECASE)
TITLED = re.compile(rf"\b{TITLE}\s+$", re.IGNORECASE)
_OURS = rf"\b(?:my|our|his|her|their|your)\s+(?:[\w-]+\s+){{0,2}}(?:{RELATIONS})"
RELATED = re.compile(rf"{_OURS}\s*,?\s*$", re.IGNORECASE)
EXPLAINED = re.compile(rf"^\s*,\s*{_OURS}\b", re.IGNORECASE)
FAMILY = re.compile(
    r"\s+(?:family|household|residence|wedding|brothers|sisters|couple|twins)\b", re.IGNORECASE
)
CALLED = re.compile(r"\b(?:named|called|by the name of)\s+$", re.IGNORECASE)
LEADS = re.compile(
    rf"(?:(?<![\w'’])(?:{_WORDS['leads']}):?|[©@#])"
    r"\s*(?:the |an? )?(?:artists? |great |famous |legendary )?[\"'“”(]*$",
    re.IGNORECASE,
)
NOT_LEADS = re.compile(
    r"\b(?:stand|sit|sitting|standing|stopped|stop|kissed|hugged|held|carried|followed|watched|owned|"
    r"surrounded|accompanied|seduced|attacked)\s+by\s+$",
    re.IGNORECASE,
)
_PAINTS = r"paintings? (?:her|his|their|the|an?|my|on|in|with)\b"
"""Here "painting" is what the person does."""
FOLLOWS = re.compile(
    rf"^(?:['’]s?\s+(?!{_PAINTS})(?:{_WORDS['works']})|[\s-]*(?:\(\d{{4}}\)\s*)?"
    rf"(?!{_PAINTS})(?:{_WORDS['works']}|{_WORDS['follows']}))\b",
    re.IGNORECASE,
)
CHAIN = re.compile(r"^[\s,;&+/|x]*(?:and|&|with|by|\+)?[\s,;]*(?:by\s+|art by\s+)?$", re.IGNORECASE)
PARTICLES = re.compile(r"al|el|d[aeiu]|l[ae]|van|von|de[rn]|te[rn]|bin|ibn|bint")
COMMON = re.compile(
    r"an?|the|of|in|on|at|to|for|with|and|or|by|from|as|is|are|his|her|their|my|our|your|its|photos?|"
    r"picture|portrait|image|painting|drawing|selfie|render|shot|style|sitting|standing|wearing|"
    r"holding|art|artwork|illustration|young|old|beautiful|realistic"
)

SURE = 0.35
"""Least score of a name that the words beside it call a person's."""
HOME_WHOLE, HOME_ALONE, HOME_ALONE_PRIVATE = 0.6, 0.8, 0.5
"""Least scores in a private context: of a whole name; of a single word, and that it is private."""
WHOLE_NAME, WHOLE_PRIVATE = 0.8, 0.5
"""Least scores of a whole name without such a context, and that it is private."""


@dataclass(frozen=True)
class Finding:
    """Something personal in a text: characters `start` to `end`.

    `kind` is one of `details.ORDER`; `score` and `private` are the tagger's, for a PERSON.
    """

    start: int
    end: int
    kind: str
    score: float = 1.0
    private: float = 1.0


def plain(name: str) -> str:
    """Small letters without accents, one space between words: how names are compared."""
    marks = unicodedata.normalize("NFKD", name.lower())
    letters = "".join(c for c in marks if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", letters.replace("ł", "l").replace("ø", "o")))


HONOURS = ("king", "queen", "saint", "st", "sir", "the", "young", "master", "captain", "professor")


class KnownNames:
    """The table of names that stay."""

    LONGEST = 6
    """Words of the longest name that is looked for."""

    def __init__(self, path: Path = KNOWN_NAMES) -> None:
        groups = read(path)
        self._names = {plain(name) for names in groups.values() for name in names} - {""}
        self._artists = {plain(name) for name in groups["artists"]}
        self._addresses = tuple(plain(address) for address in groups["addresses"])

    def __contains__(self, name: str) -> bool:
        """Whether a whole name is known, in either order, with or without an honour before it."""
        words = plain(name).split()
        while words:
            forms = (" ".join(words), " ".join(reversed(words)))
            if any(form in self._names for form in forms) or self._names.issuperset(words):
                return True
            if words[0] not in HONOURS:
                return False
            words = words[1:]
        return False

    def artist(self, name: str) -> bool:
        """Whether a name is a known artist's."""
        return plain(name) in self._artists

    def address(self, text: str) -> bool:
        """Whether an address is a sight rather than a home."""
        return plain(text).startswith(self._addresses)

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where known names of two or more words stand in a text."""
        words = [(m.start(), m.end(), plain(m[0])) for m in re.finditer(r"[^\W_]+", text)]
        found = []
        for first in range(len(words)):
            joined = words[first][2]
            for last in range(first + 1, min(first + self.LONGEST, len(words))):
                joined += " " + words[last][2]
                if joined in self._names:
                    found.append((words[first][0], words[last][1]))
        return found


def _sentences(text: str, finding: Finding) -> list[Finding]:
    """A person's finding, cut where a sentence ends within it; nothing for other kinds."""
    if finding.kind != "PERSON":
        return []
    found, start = [], finding.start
    for stop in re.finditer(r"(?<=[^\W\d_]{3})[.!?]\s+", text[finding.start : finding.end]):
        found.append(replace(finding, start=start, end=finding.start + stop.start()))
        start = finding.start + stop.end()
    return [*found, replace(finding, start=start)]


class People:
    """Decides which findings of kind PERSON are private, and where exactly their names end."""

    def __init__(self, known: KnownNames) -> None:
        self._known = known

    def private(self, text: str, findings: list[Finding]) -> list[Finding]:
        """The private persons among the findings, in order, their names whole."""
        people = self._joined(text, [s for f in findings for s in _sentences(text, f)])
        others = [f for f in findings if f.kind != "PERSON"]
        home = bool(PRIVATE.search(text)) or any(f.kind == "ADDRESS" for f in others)
        taken = bytearray(len(text))
        for start, end in (*self._known.places(text), *((f.start, f.end) for f in others)):
            taken[start:end] = b"\1" * (end - start)
        credits = self._credits(text, people)
        return [
            person
            for person in people
            if not any(taken[person.start : person.end])
            and self._is_private(text, person, home, person.start in credits)
        ]

    def _is_private(self, text: str, person: Finding, home: bool, credited: bool) -> bool:
        before = text[max(person.start - 60, 0) : person.start]
        after = text[person.end : person.end + 40]
        name = text[person.start : person.end]
        words = [word for word in name.split() if re.search(r"[^\W\d_]{2}", word)]
        if not words:
            return False
        related = bool(RELATED.search(before) or EXPLAINED.match(after))
        if related and person.score >= SURE:
            return True
        if name in self._known or credited or FOLLOWS.match(after):
            return False
        if person.score >= SURE and (TITLED.search(before) or CALLED.search(before)):
            return home or person.private >= 0.5
        if FAMILY.match(after) and re.search(r"\bthe\s+$", before, re.IGNORECASE):
            return person.score >= SURE and (home or person.private >= 0.5)
        if home or OWNED.match(after):
            if len(words) > 1:
                return person.score >= HOME_WHOLE
            return person.score >= HOME_ALONE and person.private >= HOME_ALONE_PRIVATE
        return len(words) > 1 and person.score >= WHOLE_NAME and person.private >= WHOLE_PRIVATE

    def _credits(self, text: str, people: list[Finding]) -> set[int]:
        """Where names start that the words before them, or a chain of such, make a credit."""
        credits: set[int] = set()
        last: Finding | None = None
        for person in people:
            before = text[max(person.start - 60, 0) : person.start]
            chained = last and CHAIN.match(text[last.end : person.start])
            if chained or (LEADS.search(before) and not NOT_LEADS.search(before)):
                credits.add(person.start)
                last = person
        # A tag list names its artists without saying so: beside a known one stand others.
        for here, beside in (*pairwise(people), *((b, a) for a, b in pairwise(people))):
            between = text[min(here.end, beside.end) : max(here.start, beside.start)]
            known = self._known.artist(text[beside.start : beside.end]) or beside.start in credits
            if known and re.fullmatch(r"\s*[,|;]\s*", between):
                credits.add(here.start)
        return credits

    def _joined(self, text: str, people: list[Finding]) -> list[Finding]:
        """Names with the parts that the tagger left off, such as hyphenated ones."""
        found: list[Finding] = []
        letters = re.findall(r"[^\W\d_]{2,}", text)
        large = sum(word[0].isupper() for word in letters) / max(len(letters), 1)
        for person in people:
            start, end = self._trimmed(text, person.start, person.end)
            start, end = self._grown(text, start, end, large < 0.6)
            before = text[found[-1].start : found[-1].end] if found else ""
            beside = bool(found) and start == found[-1].end + 1 and not text[start:end].islower()
            if beside and before.islower() and not PARTICLES.fullmatch(before):
                # "holding down Anna": a small word that the tagger took for a part of her name.
                found.pop()
            if found and start <= found[-1].end + 1 and not text[found[-1].end : start].strip():
                last = found.pop()
                sure = max(last.score, person.score)
                private = max(last.private, person.private)
                found.append(Finding(last.start, end, "PERSON", sure, private))
            else:
                found.append(Finding(start, end, "PERSON", person.score, person.private))
        return found

    @staticmethod
    def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
        """Without small words at either end of a name that has large ones."""
        words = list(re.compile(r"[^\W_]+").finditer(text, start, end))
        large = [word for word in words if word[0][0].isupper()]
        if not large or len(large) == len(words):
            return start, end
        first, last = large[0].start(), large[-1].end()
        before = [w[0] for w in words if w.start() < first]
        if before and all(map(PARTICLES.fullmatch, before)):
            first = start
        return first, max(last, end if "-" in text[last:end] else last)

    @staticmethod
    def _grown(text: str, start: int, end: int, capitals: bool) -> tuple[int, int]:
        while match := re.compile(r"(?:['’](?!s\b)|-|\.(?=\w))[^\W\d_]+").match(text, end):
            end = match.end()
        if match := re.compile(r",? (?:Jr|Sr|II|III|IV)\b\.?", re.IGNORECASE).match(text, end):
            end = match.end()
        while match := re.search(r"[^\W\d_]+(?:['’]|-)$", text[max(start - 30, 0) : start]):
            start -= len(match[0])
        while match := re.search(r"\b[^\W\d_]\.? ?$", text[max(start - 4, 0) : start]):
            if not match[0][0].isupper() or match[0].strip() in ("A", "I"):
                break
            start -= len(match[0])
        while capitals and (match := re.compile(r" ([^\W\d_][\w'’-]*\w)").match(text, end)):
            word = re.sub(r"['’]s$", "", match[1])
            if not word[0].isupper() or COMMON.fullmatch(word.lower()) or word.isupper():
                break
            end += 1 + len(word)
            if word != match[1]:
                break
        while capitals and (
            match := re.search(r"([^\W\d_][\w'’-]*) $", text[max(start - 30, 0) : start])
        ):
            word = match[1]
            first = not text[: start - len(match[0])].strip()
            if not word[0].isupper() or COMMON.fullmatch(word.lower()) or word.isupper() or first:
                break
            if re.fullmatch(TITLE, word, re.IGNORECASE):
                break
            start -= len(match[0])
        return start, end
