"""How two guards decide the same prompt differently."""

from typing import Self

from deployments.contracts import Action, Contract, PromptVerdict, RewriteKind, Score


class Side(Contract):
    """What one guard decided. For `allow`, the acting category that came nearest."""

    action: Action
    category: str | None
    score: Score
    stage: str
    rewrite: RewriteKind | None = None

    @classmethod
    def of(cls, verdict: PromptVerdict) -> Self:
        """The part of a verdict that others are compared with."""
        return cls(**verdict.model_dump(include=set(cls.model_fields)))

    @property
    def decision(self) -> tuple[str, ...]:
        """What the user would notice: the action, how it rewrites, and the reason for it."""
        if self.action == "allow":
            return ("allow",)
        return (self.action, self.rewrite or "", self.category or "")


class Difference(Contract):
    """The active guard's decision on a prompt, and the candidate's, which is another."""

    before: Side
    after: Side

    @classmethod
    def between(cls, before: PromptVerdict, after: PromptVerdict) -> Self | None:
        """None where both decide the same, whatever their scores."""
        found = cls(before=Side.of(before), after=Side.of(after))
        return None if found.before.decision == found.after.decision else found

    @property
    def actions(self) -> str:
        """`allow -> block`."""
        return f"{self.before.action} -> {self.after.action}"

    @property
    def category(self) -> str:
        """The candidate's category; the active guard's if the candidate lets the prompt pass."""
        side = self.before if self.after.action == "allow" else self.after
        return side.category or "unknown"
