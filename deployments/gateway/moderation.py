"""A guard's verdict in the result form of OpenAI's moderation API."""

from typing import Any

from deployments.contracts import PromptVerdict
from deployments.policy import MINORS, Category, Policy

OPENAI_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


def moderation_result(verdict: PromptVerdict, policy: Policy) -> dict[str, Any]:
    """One entry of `results`: OpenAI's thirteen categories and the policy's own that flag.

    A category of OpenAI's has the highest score of the policy categories that name it. Categories
    that do not flag (see `Category.flags`) neither raise a score nor stand among the categories:
    every score of the policy is under `safety`.
    """
    scores = dict.fromkeys(OPENAI_CATEGORIES, 0.0)
    flagged = dict.fromkeys(OPENAI_CATEGORIES, False)
    for name, score, hit in _flagging(verdict, policy):
        for key in (name, *_openai_names(name, policy)):
            scores[key] = max(scores.get(key, 0.0), score)
            flagged[key] = flagged.get(key, False) or hit
    return {
        "flagged": any(flagged.values()),
        "categories": flagged,
        "category_scores": scores,
        "category_applied_input_types": {key: ["text"] for key in scores},
        "safety": verdict.model_dump(
            mode="json", include={"action", "category", "score", "stage", "why", "scores"}
        ),
    }


def _flagging(verdict: PromptVerdict, policy: Policy) -> list[tuple[str, float, bool]]:
    """Name, score and hit of each category that can flag a prompt."""
    names = [name for name, category in policy.categories.items() if _can_flag(category)]
    if verdict.action == "block" and verdict.category not in (*names, MINORS):
        # A guard that blocks for what the policy does not know: unknown is not safe.
        names.append(verdict.category or "unknown")
    return [(name, _score(name, verdict), _hit(name, verdict, policy)) for name in (*names, MINORS)]


def _can_flag(category: Category) -> bool:
    return category.flags and "generate" in category.operations


def _score(name: str, verdict: PromptVerdict) -> float:
    return verdict.scores.get(name, verdict.score if verdict.category == name else 0.0)


def _hit(name: str, verdict: PromptVerdict, policy: Policy) -> bool:
    if verdict.action == "block" and (verdict.category or "unknown") == name:
        return True
    if name not in policy.categories:
        return False
    return _can_flag(policy.categories[name]) and (
        (verdict.action == "rewrite" and verdict.category == name)
        or _score(name, verdict) >= policy.thresholds_of(name).act
    )


def _openai_names(name: str, policy: Policy) -> tuple[str, ...]:
    if name == MINORS:
        return ("sexual/minors",)
    return policy.categories[name].openai if name in policy.categories else ()
