"""Refusals by the policy, in words for the user."""

from collections.abc import Sequence

from deployments.contracts import PictureVerdict, PromptVerdict, Try
from deployments.errors import ContentBlocked

UNKNOWN = "unknown"
"""The category of a refusal for what the policy does not know."""


def prompt_blocked(verdict: PromptVerdict) -> ContentBlocked:
    """The prompt was not admitted."""
    return ContentBlocked(
        f"The prompt was blocked: {verdict.why}. Change that part of it and try again.",
        "input",
        (verdict.category or UNKNOWN,),
    )


def given_picture_blocked(verdict: PictureVerdict) -> ContentBlocked:
    """The picture that was to be edited is harmful itself."""
    return ContentBlocked(
        f"The picture that was given was blocked: {verdict.why}. Give another one.",
        "input",
        (verdict.category or UNKNOWN,),
    )


def pictures_refused(n: int, tries: Sequence[Try]) -> ContentBlocked:
    """Each of the `n` pictures was flagged in every attempt."""
    categories = tuple(sorted({t.verdict.category for t in tries if t.verdict.category}))
    pictures = "the picture" if n == 1 else f"each of the {n} pictures"
    return ContentBlocked(
        f"The prompt is allowed, but {pictures} made from it was flagged "
        f"({', '.join(categories)}), after {len(tries)} tries in all. "
        "Another seed or a more specific prompt may help.",
        "output",
        categories,
    )
