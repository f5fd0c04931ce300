"""From scores to the policy's action. A pure function, strict in doubt."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from deployments.contracts import Action, Operation, RewriteKind
from deployments.policy import Policy

UNKNOWN = "?"
"""In a table of scores, the key for harm of no category of the policy."""


class Decision(NamedTuple):
    """What to do, and the category that decided; for `allow`, the acting one that came nearest.

    `category` is None where nothing acts, or where harm of no known kind decided.
    """

    action: Action
    category: str | None
    score: float
    rewrite: RewriteKind | None
    scores: dict[str, float]


def decide(
    tables: Sequence[Mapping[str, float]], policy: Policy, operation: Operation, loosen: bool
) -> Decision:
    """The policy's answer to one or more tables of scores, one for each piece of the request.

    A category has its worst score in any piece. A piece may be clearly unsafe though its kind is
    unclear: where its acting categories together reach a threshold that none reaches alone, the
    highest of them gets their sum. Harm of no known kind is held to the policy's own thresholds.

    Args:
        tables: category -> P(request is unsafe and of that category); what is missing scores 0.
            Beside the policy's categories it may have UNKNOWN.
        loosen: use the policy's `act_low` for `act`.
    """
    acting = [
        name
        for name, category in policy.categories.items()
        if category.action != "allow" and operation in category.operations
    ]
    scores = {
        name: max((table.get(name, 0.0) for table in tables), default=0.0)
        for name in policy.categories
    }
    unknown = max((table.get(UNKNOWN, 0.0) for table in tables), default=0.0)
    lead, total = _heaviest(tables, acting)
    for level in ("act_low" if loosen else "act", "steer"):
        limits = {name: getattr(policy.thresholds_of(name), level) for name in acting}
        over = [name for name in acting if scores[name] >= limits[name]]
        if not over and lead and total >= limits[lead]:
            scores[lead], over = total, [lead]
        if over and level == "steer":
            name = max(over, key=scores.__getitem__)
            return Decision("steer", name, scores[name], None, scores)
        unnamed = bool(acting) and unknown >= getattr(policy.thresholds, level)
        if over:
            # The highest score decides, so that what is more demeaning than violent is softened,
            # not blocked: the rewrite is judged again. Of equal scores the stricter action decides.
            name = max(over, key=lambda n: (scores[n], policy.categories[n].action == "block"))
            category = policy.categories[name]
            if category.action == "block" or not unnamed:
                return Decision(category.action, name, scores[name], category.rewrite, scores)
        if unnamed:
            return Decision("steer" if level == "steer" else "block", None, unknown, None, scores)
    nearest = max(acting, key=scores.__getitem__, default=None)
    return Decision("allow", nearest, scores[nearest] if nearest else 0.0, None, scores)


def _heaviest(
    tables: Sequence[Mapping[str, float]], acting: Sequence[str]
) -> tuple[str | None, float]:
    """The acting category that leads the worst table, and that table's acting sum, at most 1."""
    lead, heaviest = None, 0.0
    for table in tables:
        total = sum(table.get(name, 0.0) for name in acting)
        if total > heaviest:
            lead, heaviest = max(acting, key=lambda name: table.get(name, 0.0)), total
    return lead, min(heaviest, 1.0)
