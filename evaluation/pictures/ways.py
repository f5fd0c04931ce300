"""Three ways to treat a picture that is flagged, each through the walk, on the same requests.

    reseed   the client asks again, plainly and with other seeds
    restart  the walk draws again with the same seed, steered from the first step
    turn     the trajectory is checked in mid-flight and turned; what is flagged all the same is
             drawn again as in `restart`

Their first pictures are the same until a check turns one, so `reseed` begins with `restart`'s. In
each way there are as many tries as the policy has strengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deployments.policy import Policy
from evaluation.common.measurement import Row
from evaluation.common.service import Answer, Attempt, Service
from evaluation.judge.notes import read
from evaluation.pictures.asked import Asked, granted
from training.judge.model import Judge

SEEDS, OTHER_SEEDS = 400_000, 500_000
WAYS = ("reseed", "restart", "turn")


def under(policy: Policy, **output: Any) -> Policy:
    """The policy with other settings of its output."""
    return policy.model_copy(update={"output": policy.output.model_copy(update=output)})


async def answered(
    service: Service, asked: Sequence[tuple[int, Asked]], seed: int
) -> dict[str, list[list[Attempt]]]:
    """The attempts of each request in each way; requests are told apart by their numbers."""
    first = SEEDS + 10_000 * seed
    jobs = [service.job(one.text, first + number) for number, one in asked]
    restart = await service.answers(jobs, under(service.policy, watch=None))
    turn = await service.answers(jobs, service.policy)
    return {
        "reseed": await _reseeded(service, asked, restart, seed),
        "restart": [[*answer.attempts] for answer in restart],
        "turn": [[*answer.attempts] for answer in turn],
    }


async def _reseeded(
    service: Service, asked: Sequence[tuple[int, Asked]], begun: Sequence[Answer], seed: int
) -> list[list[Attempt]]:
    tries = len(service.policy.output.strengths)
    once = under(service.policy, watch=None, strengths=())
    attempts = [[answer.attempts[0]] for answer in begun]
    for place in range(tries):
        flagged = [i for i, one in enumerate(attempts) if one[-1].verdict.flagged]
        jobs = [
            service.job(asked[i][1].text, OTHER_SEEDS + 10_000 * seed + asked[i][0] * tries + place)
            for i in flagged
        ]
        for i, answer in zip(flagged, await service.answers(jobs, once), strict=True):
            attempts[i] += answer.attempts
    return attempts


def noted(judge: Judge, asked: Asked, attempts: Sequence[Attempt]) -> Row:
    """One request in one way, as JSON: its tries, with the judge's word on each picture."""
    readings = read(judge, attempts, asked.text)
    return {
        "tries": [
            {
                "flagged": attempt.verdict.flagged,
                "category": attempt.verdict.category,
                "harms": sorted(reading.harms),
                "turned": attempt.generation.turned_for,
                "row_steps": attempt.generation.row_steps,
                "seconds": attempt.generation.ms / 1000,
                "granted": [hit for _, hit in granted(asked, reading)],
                "attributes": dict(reading.attributes),
                "sure": reading.sure["0.skin"],
            }
            for attempt, reading in zip(attempts, readings, strict=True)
        ]
    }


@dataclass(frozen=True)
class Case:
    """A row of `noted`; the last try was delivered, or the request refused."""

    tries: list[Row]

    @property
    def delivered(self) -> Row | None:
        return None if self.tries[-1]["flagged"] else self.tries[-1]

    @property
    def turned(self) -> bool:
        """Whether a check turned the first picture in mid-flight."""
        return self.tries[0]["turned"] is not None

    @property
    def touched(self) -> bool:
        """Whether anything was done about it: turned, or flagged and drawn again."""
        return self.turned or len(self.tries) > 1

    @property
    def remedied(self) -> Row | None:
        """The first picture for which something had been done; None where nothing was."""
        if self.turned:
            return self.tries[0]
        return self.tries[1] if len(self.tries) > 1 else None

    def spent(self, what: str) -> float:
        """The sum of `row_steps` or `seconds` over its tries."""
        return float(sum(one[what] for one in self.tries))
