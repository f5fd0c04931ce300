"""Replaces personal details with general words, in good English.

An `Edit` replaces a passage. The edits of one text do not overlap and go from left to right.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from deployments.rewriter.anonymise.known_names import plain
from deployments.rewriter.anonymise.personal_detail import PersonalDetail
from deployments.rewriter.anonymise.surroundings import (
    CALLED,
    FAMILY,
    RELATIONS,
    TITLE,
    text_before,
    text_behind,
)
from deployments.rewriter.numbers import NUMBER_WORDS

MANY = 11
"""From this number on people are "many"."""
ADJECTIVES = (
    "young|old|elderly|middle-aged|naked|nude|topless|drunk|sad|happy|angry|sick|ill|tired|"
    "pregnant|"
    "beautiful|pretty|handsome|ugly|fat|thin|tall|short|sexy|hot|little|poor|real|famous|crying|"
    "smiling|"
    "sleeping|injured|wounded|bald|blonde|realistic|cute|lovely|dead|fallen|arrested|sweaty|wet|"
    "muscular"
)
_DETERMINERS = r"my|our|his|her|their|your|the|an?|this|that|another|some"
_APPOSED = re.compile(
    rf"\b(?:{_DETERMINERS})\s+(?:[\w-]+\s+){{0,2}}(?:{RELATIONS}|man|woman|guy|lady|person|"
    rf"neighbor)"
    r"(?P<gap>\s*,?\s*)$",
    re.IGNORECASE,
)
_ROLE = re.compile(rf"(?:^|\s)(?P<role>{RELATIONS})\s+$", re.IGNORECASE)
_ADJECTIVE = re.compile(
    rf"(?P<determiner>\b(?:{_DETERMINERS})\s+)?(?P<words>\b(?:(?:{ADJECTIVES})\s+)+)$",
    re.IGNORECASE,
)
_DETERMINER = re.compile(rf"\b(?:{_DETERMINERS})\s+$", re.IGNORECASE)
_TITLES = re.compile(rf"(?:\b{TITLE}\s+(?:(?:and|&)\s+{TITLE}\s+)?)+$", re.IGNORECASE)
_AND = re.compile(r"\s*(?:,\s*)?(?:\band\b|&|,)\s*", re.IGNORECASE)

_DROPPED_WITH = re.compile(
    r"(?:\s*,\s*|\s+)(?:from|at|on|in|@)\s+(?:the address\s+(?:of\s+)?)?$", re.IGNORECASE
)
_LIVES = re.compile(
    r"(?P<verb>\b(?:lives?|living|lived|resid(?:es|ing)|stays?|staying))\s+(?:at|on|in)\s+$", re.I
)
_ADDRESS_WORD = re.compile(r"\baddress(?:\s+is|:)?\s*,?\s*$", re.IGNORECASE)
_COMMA = re.compile(r"\s*,\s*$")
_LABEL = re.compile(
    r"(?P<determiner>\b(?:my|our|his|her|their|your|the|an?|this|that|with|of)\s+)?"
    r"(?P<label>(?:(?:phone|telephone|mobile|cell|passport|social security|licen[cs]e|number|"
    r"identity|id|"
    r"credit|debit|bank|insurance|registration|account|card|plate|national|patient|driver'?s)\s)*"
    r"(?:plate|number|card|e-?mail address|iban|ssn|id|passport|licen[cs]e))"
    r"(?:\s+(?:is|reads|reading|saying|says))?[\s:#\"'“”]*$",
    re.IGNORECASE,
)
_THINGS = {
    "EMAIL": "an e-mail address",
    "PHONE": "a phone number",
    "PLATE": "a licence plate",
    "DOCUMENT": "a document number",
    "CREDIT_CARD": "a card number",
    "IBAN_CODE": "an account number",
}


NOUNS, TITLES, STOP = 80, 40, 20
"""Letters before a name in which the noun that it explains, its titles, or the end of the sentence
before it are looked for."""


@dataclass(frozen=True)
class Edit:
    """Characters `start` to `end` become `after`, because of a detail's `kind`."""

    start: int
    end: int
    after: str
    kind: str


def edits(text: str, people: list[PersonalDetail], details: list[PersonalDetail]) -> list[Edit]:
    """Edits that take private persons and personal details out of a text."""
    upper = _shouted(text, people)
    found = list(_people(text, people))
    for detail in details:
        make: Callable[[str, PersonalDetail], Edit] = (
            _address if detail.kind == "ADDRESS" else _thing
        )
        found.append(make(text, detail))
    found.sort(key=lambda edit: (edit.start, edit.end))
    apart: list[Edit] = []
    for edit in found:
        start = max(edit.start, apart[-1].end) if apart else edit.start
        if start < edit.end:
            after = edit.after.upper() if upper else edit.after
            apart.append(Edit(start, edit.end, after, edit.kind))
    return apart


def applied(text: str, changes: list[Edit]) -> str:
    """The text after its edits."""
    pieces, at = [], 0
    for edit in changes:
        pieces += [text[at : edit.start], edit.after]
        at = edit.end
    return "".join([*pieces, text[at:]])


def _shouted(text: str, people: list[PersonalDetail]) -> bool:
    """Whether all of the text but the names is in capitals."""
    rest = text
    for person in reversed(people):
        rest = rest[: person.start] + rest[person.end :]
    return sum(c.isalpha() for c in rest) > 3 and rest.isupper()


def _large(text: str, start: int, name: str, words: str) -> str:
    """`words`, with a capital if the name has one and stands at the start of a sentence."""
    opens = not re.search(r"\w", text[:start]) or bool(
        re.search(r"[.!?]\s+$", text_before(text, start, STOP))
    )
    return words[:1].upper() + words[1:] if opens and name[:1].isupper() else words


def _article(word: str) -> str:
    return "an" if word[:1].lower() in "aeiou" else "a"


def _people(text: str, people: list[PersonalDetail]) -> list[Edit]:
    found: list[Edit] = []
    seen: list[set[str]] = []
    for group in _groups(text, people):
        names = [set(plain(text[p.start : p.end]).split()) for p in group]
        again = [any(name <= other or other <= name for other in seen) for name in names]
        before = bool(seen)
        seen += [name for name, known in zip(names, again, strict=True) if not known]
        if len(group) == 1:
            found.append(_one(text, group[0], again[0], before))
            continue
        start = _before_titles(text, group[0].start)
        count = NUMBER_WORDS[len(group)] if len(group) < MANY else "many"
        words = f"the {count} people" if all(again) else f"{count} people"
        words = f"{count} other people" if before and not any(again) else words
        end, genitive = _genitive(text, group[-1].end)
        name = text[start : group[0].end]
        found.append(Edit(start, end, _large(text, start, name, words) + genitive, "PERSON"))
    return found


def _groups(text: str, people: list[PersonalDetail]) -> list[list[PersonalDetail]]:
    """Persons who are listed together ("A, B and C") as one group, the others one by one."""
    groups: list[list[PersonalDetail]] = []
    for person in people:
        start = _before_titles(text, person.start)
        if groups and _AND.fullmatch(text[groups[-1][-1].end : start]):
            groups[-1].append(person)
        else:
            groups.append([person])
    found: list[list[PersonalDetail]] = []
    for group in groups:
        # With commas alone it is no list of persons, but tags or an apposition.
        linked = len(group) > 1 and re.search(
            r"\band\b|&", text[group[-2].end : group[-1].start], re.IGNORECASE
        )
        own = any(_APPOSED.search(text_before(text, p.start, NOUNS)) for p in group)
        found += [group] if linked and not own else [[person] for person in group]
    return found


def _before_titles(text: str, start: int) -> int:
    match = _TITLES.search(text_before(text, start, TITLES))
    return start - len(match[0]) if match else start


def _genitive(text: str, end: int) -> tuple[int, str]:
    """`James' kitchen` needs an s once the name is gone."""
    if re.match(r"['’]\s", text[end : end + 2]):
        return end + 1, "'s"
    return end, ""


def _one(text: str, person: PersonalDetail, again: bool, before: bool) -> Edit:
    start = _before_titles(text, person.start)
    name = text[start : person.end]
    left, right = text_before(text, start, NOUNS), text_behind(text, person.end)
    end, genitive = _genitive(text, person.end)
    if re.search(r"\band\b|&", text[start : person.start], re.IGNORECASE):  # Mr and Mrs
        return Edit(start, end, _large(text, start, name, "two people") + genitive, "PERSON")
    if called := CALLED.search(left):
        # "a woman named X" is a woman; without a noun before it nobody would be left.
        gone = start - len(called[0])
        spaces = len(text[:gone]) - len(text[:gone].rstrip())
        return Edit(gone - spaces, person.end, "", "PERSON")
    if apposed := _APPOSED.search(left):
        comma = re.match(r"\s*,", right) if "," in apposed["gap"] else None
        return Edit(
            start - len(apposed["gap"]), person.end + len(comma[0] if comma else ""), "", "PERSON"
        )
    if (kin := FAMILY.match(right)) and _DETERMINER.search(left):
        gap = len(kin[0]) - len(kin[0].lstrip())
        return Edit(start, person.end + gap, "", "PERSON")
    if role := _ROLE.search(left):
        start -= len(left) - role.start("role")
        words = f"{_article(role['role'])} {role['role'].lower()}"
        return Edit(start, end, _large(text, start, text[start:], words) + genitive, "PERSON")
    noun = "person"
    if adjective := _ADJECTIVE.search(left):
        if adjective["determiner"]:
            return Edit(start, end, noun + genitive, "PERSON")
        start -= len(adjective["words"])
        words = f"{_article(adjective['words'])} {adjective['words'].lower()}{noun}"
        return Edit(start, end, _large(text, start, text[start:], words) + genitive, "PERSON")
    if _DETERMINER.search(left):
        return Edit(start, end, noun + genitive, "PERSON")
    words = "the person" if again else "another person" if before else "a person"
    return Edit(start, end, _large(text, start, name, words) + genitive, "PERSON")


def _address(text: str, found: PersonalDetail) -> Edit:
    left = text_before(text, found.start)
    value = text[found.start : found.end]
    home = "a flat" if re.match(r"(?:flat|apartment|apt|unit|suite)\b", value, re.I) else "a house"
    if lives := _LIVES.search(left):
        start = found.start - (len(left) - lives.end("verb"))
        return Edit(start, found.end, f" in {home}", "ADDRESS")
    if word := _ADDRESS_WORD.search(left):
        gap = len(word[0]) - len("address")
        return Edit(found.start - gap, found.end, "", "ADDRESS")
    if (with_it := _DROPPED_WITH.search(left)) and re.search(
        r"\w", text[: found.start - len(with_it[0])]
    ):
        return Edit(found.start - len(with_it[0]), found.end, "", "ADDRESS")
    if (comma := _COMMA.search(left)) and re.search(r"\w", left):
        return Edit(found.start - len(comma[0]), found.end, "", "ADDRESS")
    return Edit(found.start, found.end, _large(text, found.start, "X", home), "ADDRESS")


def _thing(text: str, found: PersonalDetail) -> Edit:
    words = _THINGS[found.kind]
    left = text_before(text, found.start)
    label = _LABEL.search(left)
    if not label:
        return Edit(found.start, found.end, _large(text, found.start, "", words), found.kind)
    determiner = label["determiner"] or ""
    if determiner.strip().lower() not in ("with", "of", ""):
        start = found.start - (len(left) - label.end("label"))
        return Edit(start, found.end, "", found.kind)
    start = found.start - (len(left) - label.start("label"))
    named = f"{_article(label['label'])} {label['label']}"
    return Edit(start, found.end, _large(text, start, label["label"], named), found.kind)
