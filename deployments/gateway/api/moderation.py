"""Verdicts in the result form of OpenAI's moderation API."""

from collections.abc import Sequence
from typing import Any

from deployments.contracts import PictureVerdict, PromptVerdict
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
SEEN_BY_OPENAI = ("self-harm", "sexual", "violence")


def moderation_result(
    text: PromptVerdict | None, pictures: Sequence[PictureVerdict], policy: Policy
) -> dict[str, Any]:
    """One entry of `results`: OpenAI's thirteen categories and the policy's own that flag.

    A category of OpenAI's has the highest score of the policy categories that name it. Categories
    that do not flag (see `Category.flags`) neither raise a score nor stand among the categories:
    every score of the policy is under `safety`, and so is the verdict on each picture.

    Args:
        text: the guard's verdict, None where no text was given.
        pictures: the classifier's verdict on each picture.
    """
    found: list[tuple[str, float, bool, str]] = []
    if text is not None:
        found += [(*one, "text") for one in _flagging(text, policy)]
    found += [(*one, "image") for verdict in pictures for one in _seen(verdict, policy)]
    scores = dict.fromkeys(OPENAI_CATEGORIES, 0.0)
    flagged = dict.fromkeys(OPENAI_CATEGORIES, False)
    kinds: dict[str, set[str]] = {key: set() for key in OPENAI_CATEGORIES}
    if text is not None:
        kinds = {key: {"text"} for key in OPENAI_CATEGORIES}
    for name, score, hit, kind in found:
        for key in (name, *_openai_names(name, policy)):
            scores[key] = max(scores.get(key, 0.0), score)
            flagged[key] = flagged.get(key, False) or hit
            # OpenAI's types know pictures for some of their categories only.
            if kind == "text" or key not in OPENAI_CATEGORIES or key.startswith(SEEN_BY_OPENAI):
                kinds.setdefault(key, set()).add(kind)
    safety: dict[str, Any] = {}
    if text is not None:
        shown = {"action", "category", "score", "stage", "why", "scores"}
        safety |= text.model_dump(mode="json", include=shown)
    if pictures:
        shown = {"flagged", "category", "score", "why", "scores"}
        safety["pictures"] = [one.model_dump(mode="json", include=shown) for one in pictures]
    return {
        "flagged": any(flagged.values()),
        "categories": flagged,
        "category_scores": scores,
        "category_applied_input_types": {key: sorted(kinds[key], reverse=True) for key in scores},
        "safety": safety,
    }


def _seen(verdict: PictureVerdict, policy: Policy) -> list[tuple[str, float, bool]]:
    """Name, score and hit of each category that the policy looks for in pictures."""
    thresholds = policy.output.thresholds
    return [
        (name, _neutral_at(thresholds[name], score), verdict.flagged and score >= thresholds[name])
        for name, score in verdict.scores.items()
        if name in thresholds
    ]


def _neutral_at(threshold: float, score: float) -> float:
    """The score on the scale of the answer, on which 0.5 is where a category flags."""
    if score < threshold:
        return 0.5 * score / threshold
    return 0.5 + 0.5 * (score - threshold) / (1 - threshold) if threshold < 1 else 1.0


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
