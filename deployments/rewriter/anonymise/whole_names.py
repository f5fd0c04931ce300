"""Where the names that the tagger found begin and end: it leaves parts off, and takes some more."""

import re
from dataclasses import replace

from deployments.rewriter.anonymise.personal_detail import PersonalDetail
from deployments.rewriter.anonymise.surroundings import TITLE, text_before

PARTICLES = re.compile(r"al|el|d[aeiu]|l[ae]|van|von|de[rn]|te[rn]|bin|ibn|bint")
COMMON = re.compile(
    r"an?|the|of|in|on|at|to|for|with|and|or|by|from|as|is|are|his|her|their|my|our|your|its|photos?|"
    r"picture|portrait|image|painting|drawing|selfie|render|shot|style|sitting|standing|wearing|"
    r"holding|art|artwork|illustration|young|old|beautiful|realistic"
)
"""Words that are no part of a name, even with a capital."""
TITLE_CASE = 0.6
"""Share of words with a capital from which on a capital says nothing of a name."""
WORD, INITIAL = 30, 4
"""Letters before a name in which another word of it, or an initial, is looked for."""

_SENTENCE_ENDS = re.compile(r"(?<=[^\W\d_]{3})[.!?]\s+")
_JOINED_BEHIND = re.compile(r"(?:['’](?!s\b)|-|\.(?=\w))[^\W\d_]+")
_JOINED_BEFORE = re.compile(r"[^\W\d_]+(?:['’]|-)$")
_GENERATION = re.compile(r",? (?:Jr|Sr|II|III|IV)\b\.?", re.IGNORECASE)
_INITIAL_BEFORE = re.compile(r"\b[^\W\d_]\.? ?$")
_WORD_BEHIND = re.compile(r" ([^\W\d_][\w'’-]*\w)")
_WORD_BEFORE = re.compile(r"([^\W\d_][\w'’-]*) $")


def whole_names(text: str, details: list[PersonalDetail]) -> list[PersonalDetail]:
    """The persons among `details`, in order, with their names whole."""
    people = [part for detail in details for part in _sentences(text, detail)]
    capitals_tell = _share_of_capitals(text) < TITLE_CASE
    found: list[PersonalDetail] = []
    for person in people:
        if found and person.end <= found[-1].end:
            found[-1] = _merged(found[-1], person, found[-1].end)  # the last one grew over it
            continue
        start, end = _trimmed(text, person.start, person.end)
        end = _grown_behind(text, end, capitals_tell)
        start = _grown_before(text, start, found[-1].end if found else 0, capitals_tell)
        if found and _is_no_name(text, found[-1], start, end):
            found.pop()
        if found and start <= found[-1].end + 1 and not text[found[-1].end : start].strip():
            found[-1] = _merged(found[-1], person, end)
        else:
            found.append(replace(person, start=start, end=end))
    return found


def _sentences(text: str, detail: PersonalDetail) -> list[PersonalDetail]:
    """A person, cut where a sentence ends within it; nothing for other kinds."""
    if detail.kind != "PERSON":
        return []
    found, start = [], detail.start
    for stop in _SENTENCE_ENDS.finditer(text[detail.start : detail.end]):
        found.append(replace(detail, start=start, end=detail.start + stop.start()))
        start = detail.start + stop.end()
    return [*found, replace(detail, start=start)]


def _share_of_capitals(text: str) -> float:
    """The share of words that begin with a capital."""
    words = re.findall(r"[^\W\d_]{2,}", text)
    return sum(word[0].isupper() for word in words) / max(len(words), 1)


def _merged(first: PersonalDetail, other: PersonalDetail, end: int) -> PersonalDetail:
    """Two parts of one name, which is as sure and as private as the surer and more private part."""
    score, private = max(first.score, other.score), max(first.private, other.private)
    return PersonalDetail(first.start, end, "PERSON", score, private)


def _is_no_name(text: str, last: PersonalDetail, start: int, end: int) -> bool:
    """Whether `last` is a small word that the tagger took for a part of the name behind it:
    "holding down Anna"."""
    word = text[last.start : last.end]
    beside = start == last.end + 1 and not text[start:end].islower()
    return beside and word.islower() and not PARTICLES.fullmatch(word)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without small words at either end of a name that has words with capitals."""
    words = list(re.compile(r"[^\W_]+").finditer(text, start, end))
    large = [word for word in words if word[0][0].isupper()]
    if not large or len(large) == len(words):
        return start, end
    first, last = large[0].start(), large[-1].end()
    small = [word[0] for word in words if word.start() < first]
    if small and all(map(PARTICLES.fullmatch, small)):
        first = start
    return first, max(last, end if "-" in text[last:end] else last)


def _grown_behind(text: str, end: int, capitals_tell: bool) -> int:
    """The end of a name with what belongs to it: "-Maria", "Jr", words with capitals."""
    while match := _JOINED_BEHIND.match(text, end):
        end = match.end()
    if match := _GENERATION.match(text, end):
        end = match.end()
    while capitals_tell and (match := _WORD_BEHIND.match(text, end)):
        word = re.sub(r"['’]s$", "", match[1])
        if not _is_name_word(word):
            break
        end += 1 + len(word)
        if word != match[1]:
            break
    return end


def _grown_before(text: str, start: int, least: int, capitals_tell: bool) -> int:
    """The start of a name with what belongs to it: "Jean-", initials, words with capitals.

    `least` is the end of the name before it: at that name it stops, and both become one.
    """
    while start > least and (match := _JOINED_BEFORE.search(text_before(text, start, WORD))):
        start -= len(match[0])
    while start > least and (match := _INITIAL_BEFORE.search(text_before(text, start, INITIAL))):
        if not match[0][0].isupper() or match[0].strip() in ("A", "I"):
            break
        start -= len(match[0])
    opening = len(text) - len(text.lstrip())
    while (
        capitals_tell
        and start > least
        and (match := _WORD_BEFORE.search(text_before(text, start, WORD)))
    ):
        first = start - len(match[0]) <= opening
        is_title = re.fullmatch(TITLE, match[1], re.IGNORECASE)
        if first or is_title or not _is_name_word(match[1]):
            break
        start -= len(match[0])
    return start


def _is_name_word(word: str) -> bool:
    """Whether a word beside a name looks like a part of it: "Anna", not "ANNA" or "Portrait"."""
    return word[0].isupper() and not word.isupper() and not COMMON.fullmatch(word.lower())
