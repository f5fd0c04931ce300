"""What is tried for one picture: the regeneration edge, as decisions without any service.

A flagged picture goes round again, steered, and stronger each time; when the strengths are used up
it is refused. An edit that changed of a person what nobody asked to change goes round with these
attributes held; when those tries are used up, the best one is delivered and says what changed.
"""

from collections.abc import Mapping, Sequence

from deployments.contracts import PictureVerdict
from deployments.policy import OutputPolicy

HELD: Mapping[str, str] = {
    "gender": "the gender",
    "skin": "the skin tone",
    "build": "the build",
    "hair_colour": "the hair colour",
    "hair_style": "the hairstyle",
}
"""Attributes of a person in the words of an instruction."""
CLOSER = 0.5
"""What is added to an edit's weight of the input picture each time that it is mended."""


class Tries:
    """The next try's settings, after the verdicts so far.

    Attributes:
        strength: of steering, 0 is off.
        category: what is steered away from.
        held: attributes that the instruction says must stay.
        mended: how often so far.

    Args:
        steer: the prompt's verdict asks for steering from the first try on.
        category: of that verdict.
    """

    def __init__(self, policy: OutputPolicy, *, steer: bool, category: str | None) -> None:
        first = policy.steer_strength if steer else 0.0
        self.strength, self.category = first, category if steer else None
        self.held: tuple[str, ...] = ()
        self.mended = 0
        # A regeneration that is no stronger than the last would give the same picture again.
        self._stronger = [strength for strength in policy.strengths if strength > first]
        self._mends = policy.edits.tries if policy.edits else 0

    def again(self, verdict: PictureVerdict) -> bool:
        """Whether another try is due; its settings are this object's from now on."""
        if verdict.flagged:
            if not self._stronger:
                return False
            self.strength, self.category = self._stronger.pop(0), verdict.category
            return True
        if not verdict.changed or self.mended == self._mends:
            return False
        self.held = tuple(dict.fromkeys((*self.held, *verdict.changed)))
        self.mended += 1
        return True


def better(one: PictureVerdict, other: PictureVerdict) -> bool:
    """Whether the first of two unflagged edits changed less of what nobody asked to change."""
    return _changed(one) < _changed(other)


def _changed(verdict: PictureVerdict) -> tuple[int, float]:
    return len(verdict.changed), sum(verdict.unintended.values())


def holding(instruction: str, held: Sequence[str], wording: str = "{}, keep {}") -> str:
    """The instruction and what must stay, by names of `HELD`; others are said plainly."""
    if not held:
        return instruction
    names = [HELD.get(name, f"the {name.replace('_', ' ')}") for name in held]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return wording.format(instruction, listed)
