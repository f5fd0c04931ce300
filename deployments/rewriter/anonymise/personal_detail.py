"""What the finder, the decision and the wording hand to one another."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PersonalDetail:
    """Something personal in a text: characters `start` to `end`.

    Attributes:
        kind: one of `details.PRECEDENCE`.
        score: how sure the tagger is that it is a PERSON, in [0, 1]; 1 for other kinds.
        private: how sure it is that the PERSON is private rather than known, in [0, 1].
    """

    start: int
    end: int
    kind: str
    score: float = 1.0
    private: float = 1.0
