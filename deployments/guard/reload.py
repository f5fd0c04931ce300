"""Reloads a policy's word lists without a restart.

A replica starts with the policy that the application was built with. It takes over a later one only
if nothing but word lists has changed: other services, and calibrated stages, read the rest, so that
needs a redeployment. Every verdict carries the hash of the policy that decided.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from deployments.policy import Policy
from deployments.policy.joining import LISTS
from deployments.policy.loading import read_policy

logger = logging.getLogger(__name__)

Stamp = tuple[int, int, int]
"""A file's modification time in ns, size and inode; a file that replaces it has another inode."""


class PolicyWatch:
    """Notices when a policy's word lists have changed in its files."""

    def __init__(self, path: Path, policy: Policy) -> None:
        """`policy` is the one in force; the file may have changed since."""
        self._path, self._policy = path, policy
        self._found = policy
        self._stamps: dict[Path, Stamp | None] = {path: None}

    def newer(self) -> Policy | None:
        """The policy with its new word lists, until it is adopted; None if there are none.

        A file that is gone, has mistakes, or differs in more than word lists changes nothing. It is
        logged once for each change.
        """
        stamps = {file: _stamp(file) for file in self._stamps}
        if stamps != self._stamps:
            self._read(stamps)
        return None if self._found == self._policy else self._found

    def adopt(self, policy: Policy) -> None:
        """Notes that this policy is in force now."""
        self._policy = policy

    def _read(self, stamps: dict[Path, Stamp | None]) -> None:
        reading = read_policy(self._path)
        # The stamp must be older than the reading: a file that is named only now has none.
        self._stamps = {file: stamps.get(file) for file in reading.files}
        if reading.policy is None:
            logger.error("word lists kept: %s", "; ".join(map(str, reading.mistakes)))
        elif _rest(reading.policy) == _rest(self._policy):
            self._found = reading.policy
        else:
            logger.error("word lists kept: more than these changed in %s; redeploy", self._path)


async def follow(
    watch: PolicyWatch, seconds: float, take: Callable[[Policy], Awaitable[None]]
) -> None:
    """Looks for a change every `seconds`, first at once, and hands it to `take`. Never returns."""
    while True:
        try:
            if policy := await asyncio.to_thread(watch.newer):
                await take(policy)
                watch.adopt(policy)
                logger.warning("word lists reloaded: policy %s", policy.ref.hash)
        except Exception:
            logger.exception("word lists kept: the policy cannot be reloaded")
        await asyncio.sleep(seconds)


def _stamp(file: Path) -> Stamp | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _rest(policy: Policy) -> dict[str, object]:
    """The part of a policy that a reload may not change."""
    return policy.model_dump(exclude={"version": True, "categories": {"__all__": set(LISTS)}})
