"""The decision trace of one request: filled by the walk, read by the response and the audit log."""

from collections.abc import Iterable

from deployments.contracts import Decision, Picture, PolicyRef, Safety, StageRecord, Try


class Trace:
    """Collects what each stage did. One per request; never shared, never reused."""

    def __init__(self, request_id: str, policy: PolicyRef) -> None:
        self.request_id = request_id
        self.policy = policy
        self._size: str | None = None
        self._stages: list[StageRecord] = []
        self._tries: list[Try] = []
        self._refused: list[int] = []

    def stage(self, record: StageRecord) -> None:
        """Adds one stage's record, in the order in which stages answered."""
        self._stages.append(record)

    def stages(self, records: Iterable[StageRecord]) -> None:
        """Adds the records that a service kept of its own stages."""
        self._stages.extend(records)

    def decided_under(self, policy: PolicyRef) -> None:
        """Notes the policy that decided: its word lists may be newer than the caller's."""
        self.policy = policy

    def drawn(self, picture: Picture) -> None:
        """Notes the size at which pictures are made."""
        self._size = f"{picture.width}x{picture.height}"

    def tried(self, attempt: Try) -> None:
        """Adds one attempt at one picture."""
        self._tries.append(attempt)

    def refused(self, index: int) -> None:
        """Notes that the picture at this index was withheld for good."""
        self._refused.append(index)

    def safety(self, decision: Decision) -> Safety:
        """The `safety` object of the response, as of now."""
        return Safety(
            request_id=self.request_id,
            decision=decision,
            policy=self.policy,
            stages=tuple(self._stages),
            tries=tuple(sorted(self._tries, key=lambda attempt: attempt.index)),
            size=self._size,
            refused=tuple(sorted(self._refused)),
        )
