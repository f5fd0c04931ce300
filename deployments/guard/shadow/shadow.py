"""A candidate guard beside the active one: its differing verdicts are logged and never acted on.

It judges a prompt after the active guard has, in a task of its own. Nothing waits for it, and its
failures change nothing. `python -m deployments.ops.shadow_report LOG` says what it would have
blocked.
"""

import asyncio
import logging
import os
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, Field

from deployments.contracts import Contract, GuardRequest, Operation, PolicyRef, PromptVerdict
from deployments.guard.config import ShadowConfig
from deployments.guard.shadow.difference import Difference
from deployments.policy import Policy
from deployments.telemetry.lines import append, open_log, prompt_digest

logger = logging.getLogger(__name__)

Judge = Callable[[GuardRequest], Awaitable[PromptVerdict]]
EVERY = 1000


class Counts(Contract):
    """What became of the prompts that one replica has seen so far.

    `dropped` were left out because too many were in flight; `failed` had no verdict in time.
    """

    compared: int = Field(0, ge=0)
    differing: int = Field(0, ge=0)
    dropped: int = Field(0, ge=0)
    failed: int = Field(0, ge=0)


class Case(Contract):
    """A prompt on which the guards differ; its text only where the active policy keeps prompts."""

    prompt_sha256: str
    prompt: str | None = None
    operation: Operation
    difference: Difference


class ShadowRecord(Contract):
    """One line of the log: a case, or the counts alone. Each `replica` counts for itself."""

    time: AwareDatetime
    replica: str
    active: PolicyRef
    candidate: PolicyRef
    cnn: str | None = Field(description="the candidate's embedding CNN")
    counts: Counts
    case: Case | None = None


class ShadowLog:
    """Appends to the log in the name of one replica; holds the file open until it is closed."""

    def __init__(self, path: Path, active: Policy, candidate: Policy, cnn: str | None) -> None:
        """
        Raises:
            ConfigurationError: the file cannot be opened.
        """
        self._descriptor = open_log(path)
        self._keep_prompts = active.audit.keep_prompts
        self._replica = uuid.uuid4().hex[:12]
        self._active, self._candidate, self._cnn = active.ref, candidate.ref, cnn

    def case(self, request: GuardRequest, difference: Difference, counts: Counts) -> None:
        """Appends a prompt on which the guards differ. Raises OSError if that fails."""
        prompt = request.prompt
        self._append(
            counts,
            Case(
                prompt_sha256=prompt_digest(prompt),
                prompt=prompt if self._keep_prompts else None,
                operation=request.operation,
                difference=difference,
            ),
        )

    def counts(self, counts: Counts) -> None:
        """Appends the counts alone. Raises OSError if that fails."""
        self._append(counts, None)

    def close(self) -> None:
        """Closes the file; nothing may be appended after that."""
        os.close(self._descriptor)

    def _append(self, counts: Counts, case: Case | None) -> None:
        record = ShadowRecord(
            time=datetime.now(UTC),
            replica=self._replica,
            active=self._active,
            candidate=self._candidate,
            cnn=self._cnn,
            counts=counts,
            case=case,
        )
        append(self._descriptor, record.model_dump(mode="json", exclude_none=True))


class Shadow:
    """Runs the candidate after the active guard, on at most `at_once` prompts at the same time."""

    def __init__(
        self,
        candidate: Judge,
        log: ShadowLog,
        at_once: int,
        seconds: float,
        *,
        counts_every: int = EVERY,
    ) -> None:
        """
        Args:
            seconds: after which the candidate's verdict on a prompt is given up.
            counts_every: prompts without a difference after which the counts are logged; failures
                are logged as often.
        """
        self._judge, self._log = candidate, log
        self._at_once, self._seconds, self._every = at_once, seconds, counts_every
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self.counts = Counts()

    def follow(self, request: GuardRequest, verdict: PromptVerdict) -> None:
        """Starts the candidate on the prompt and returns. Needs a running loop."""
        if len(self._tasks) >= self._at_once:
            self._count("dropped")
            return
        task = asyncio.create_task(self._compare(request, verdict))
        self._tasks.add(task)  # the loop itself keeps no task alive
        task.add_done_callback(self._done)

    def close(self) -> None:
        """Logs the counts. The log is closed when nothing is in flight any more.

        What is in flight is logged too, if the loop goes on running. No prompt may follow. Harmless
        the second time.
        """
        if self._closing:
            return
        self._closing = True
        self._log_counts()
        if not self._tasks:
            self._log.close()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._closing and not self._tasks:
            self._log_counts()
            self._log.close()

    def _log_counts(self) -> None:
        try:
            self._log.counts(self.counts)
        except OSError:
            logger.exception("the shadow's counts could not be logged")

    async def _compare(self, request: GuardRequest, verdict: PromptVerdict) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                other = await self._judge(request)
            difference = Difference.between(verdict, other)
            self._count("compared")
            if difference:
                self._count("differing")
                await asyncio.to_thread(self._log.case, request, difference, self.counts)
            elif self.counts.compared % self._every == 0:
                await asyncio.to_thread(self._log.counts, self.counts)
        except Exception:
            self._count("failed")
            if (
                self.counts.failed - 1
            ) % self._every == 0:  # one that always fails must not fill the log
                logger.exception("the shadow gave no verdict, %d so far", self.counts.failed)

    def _count(self, what: str) -> None:
        self.counts = self.counts.model_copy(update={what: getattr(self.counts, what) + 1})


def candidate_of(config: ShadowConfig, active: Policy, candidate: Policy | None) -> Policy:
    """The policy to try: the candidate, or the active one, with the CNN's thresholds to try."""
    policy = candidate or active
    if config.cnn_thresholds is None:
        return policy
    # Not `model_copy`: it would keep the cached hash of the policy in force.
    parts = {name: getattr(policy, name) for name in Policy.model_fields}
    return Policy.model_validate({**parts, "cnn": config.cnn_thresholds})


def candidate_cnn(config: ShadowConfig, active: str | None) -> str | None:
    """The embedding CNN to try: the candidate's or the active one; None: none."""
    if config.cnn is None:
        return active
    return None if config.cnn == "none" else config.cnn
