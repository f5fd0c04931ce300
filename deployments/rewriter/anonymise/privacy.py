"""Decides which of the names in a prompt are a private person's.

A name stays if the table knows it, or if the words around it make it an artist's credit or the name
of a work. Of the other names one is private where the prompt says so (my neighbour, Mrs, a bedroom,
an address), or where it is a whole name that the tagger finds private.
"""

import re
from itertools import pairwise

from deployments.rewriter.anonymise.known_names import KnownNames
from deployments.rewriter.anonymise.personal_detail import PersonalDetail
from deployments.rewriter.anonymise.surroundings import (
    CALLED,
    CHAIN,
    EXPLAINED,
    FAMILY,
    FOLLOWS,
    LEADS,
    LISTED,
    NOT_LEADS,
    OWNED,
    PRIVATE,
    RELATED,
    THE,
    TITLED,
    text_before,
    text_behind,
)
from deployments.rewriter.anonymise.whole_names import whole_names

SURE = 0.35
"""Least score of a name that the words beside it call a person's."""
LIKELY_PRIVATE = 0.5
"""Least `private` of a name that needs the tagger's word for it."""
HOME_WHOLE, HOME_ALONE = 0.6, 0.8
"""Least scores in a private matter: of a whole name, and of a single word."""
WHOLE_NAME = 0.8
"""Least score of a whole name in no private matter."""


class People:
    """Decides which persons are private, and where exactly their names begin and end."""

    def __init__(self, known: KnownNames) -> None:
        self._known = known

    def private(self, text: str, details: list[PersonalDetail]) -> list[PersonalDetail]:
        """The private persons among the details, in order, their names whole."""
        people = whole_names(text, details)
        others = [detail for detail in details if detail.kind != "PERSON"]
        home = bool(PRIVATE.search(text)) or any(d.kind == "ADDRESS" for d in others)
        taken = bytearray(len(text))
        for start, end in (*self._known.places(text), *((d.start, d.end) for d in others)):
            taken[start:end] = b"\1" * (end - start)
        credits = self._credits(text, people)
        return [
            person
            for person in people
            if not any(taken[person.start : person.end])
            and self._is_private(text, person, home, person.start in credits)
        ]

    def _is_private(self, text: str, person: PersonalDetail, home: bool, credited: bool) -> bool:
        """`home` is whether the prompt tells of a private matter."""
        left, right = text_before(text, person.start), text_behind(text, person.end)
        name = text[person.start : person.end]
        words = [word for word in name.split() if re.search(r"[^\W\d_]{2}", word)]
        sure, private = person.score >= SURE, person.private >= LIKELY_PRIVATE
        if not words:
            return False
        if sure and (RELATED.search(left) or EXPLAINED.match(right)):
            return True
        if name in self._known or credited or FOLLOWS.match(right):
            return False
        if sure and (TITLED.search(left) or CALLED.search(left)):
            return home or private
        if FAMILY.match(right) and THE.search(left):
            return sure and (home or private)
        if home or OWNED.match(right):
            if len(words) > 1:
                return person.score >= HOME_WHOLE
            return person.score >= HOME_ALONE and private
        return len(words) > 1 and person.score >= WHOLE_NAME and private

    def _credits(self, text: str, people: list[PersonalDetail]) -> set[int]:
        """The starts of names that are credits, by the words before them or by a chain of names."""
        credits: set[int] = set()
        last: PersonalDetail | None = None
        for person in people:
            left = text_before(text, person.start)
            chained = last and CHAIN.match(text[last.end : person.start])
            if chained or (LEADS.search(left) and not NOT_LEADS.search(left)):
                credits.add(person.start)
                last = person
        # A list of tags names artists without saying so: who stands beside a known one is another.
        for here, beside in (*pairwise(people), *((b, a) for a, b in pairwise(people))):
            between = text[min(here.end, beside.end) : max(here.start, beside.start)]
            known = self._known.artist(text[beside.start : beside.end]) or beside.start in credits
            if known and LISTED.fullmatch(between):
                credits.add(here.start)
        return credits
