"""Users that walk the API, against a running service: `make loadtest`.

Every answer is counted by who asked and what came back. The run ends with one JSON line of these
counts; it fails if there was a 500, or if fewer than 95 % of the benign requests were answered 200.
A 429 or 503 that says when to come back is a service that keeps within its means; any other status
that is not documented for the request is a failure in Locust's report.
"""

import json
from collections import Counter
from typing import Any

from locust import HttpUser, between, events, task
from locust.env import Environment

from loadtest import prompts

IMAGES = "/v1/images/generations"
TURNED_AWAY = frozenset({429, 503})
BENIGN_SHARE = 0.95

tally: Counter[tuple[str, int]] = Counter()


class Api(HttpUser):
    """A user who waits for the longest deadline; base of the others."""

    abstract = True
    wait_time = between(1, 3)

    def ask(
        self,
        who: str,
        path: str,
        body: dict[str, Any] | None,
        expected: set[int],
        timeout: float = 180,
    ) -> None:
        """One request; with a body it is a POST. `expected` are the statuses documented for it."""
        method = "GET" if body is None else "POST"
        with self.client.request(
            method, path, json=body, name=f"{who} {path}", timeout=timeout, catch_response=True
        ) as answer:
            tally[who, answer.status_code] += 1
            turned_away = answer.status_code in TURNED_AWAY and "retry-after" in answer.headers
            if turned_away or answer.status_code in expected:
                answer.success()
            else:
                answer.failure(f"status {answer.status_code}")


class Benign(Api):
    """Asks for harmless pictures, and now and then for the rest of the API."""

    weight = 6

    @task(6)
    def draw(self) -> None:
        self.ask("benign", IMAGES, {"prompt": prompts.benign()}, {200})

    @task(2)
    def moderate(self) -> None:
        body = {"input": [prompts.benign(), prompts.harmful()]}
        self.ask("benign", "/v1/moderations", body, {200})

    @task(2)
    def preview(self) -> None:
        self.ask("benign", "/v1/safety/preview", {"prompt": prompts.benign()}, {200})

    @task(1)
    def models(self) -> None:
        self.ask("benign", "/v1/models", None, {200})


class Harmful(Api):
    """Asks for what the policy blocks."""

    weight = 2

    @task
    def draw(self) -> None:
        self.ask("harmful", IMAGES, {"prompt": prompts.harmful()}, {400})


class Obfuscated(Api):
    """Asks for the same in disguise: blocked as a prompt, or judged as a picture."""

    weight = 1

    @task
    def draw(self) -> None:
        self.ask("obfuscated", IMAGES, {"prompt": prompts.obfuscated()}, {200, 400})


class HangsUp(Api):
    """Hangs up amid the generation (status 0)."""

    weight = 1

    @task
    def draw(self) -> None:
        body = {"prompt": prompts.benign(), "num_inference_steps": 100}
        self.ask("hang-up", IMAGES, body, {0, 200}, timeout=0.7)


@events.quitting.add_listener
def report(environment: Environment, **_: Any) -> None:
    """Prints the counts and decides how the run ends."""
    benign = {status: count for (who, status), count in tally.items() if who == "benign"}
    share = benign.get(200, 0) / max(sum(benign.values()), 1)
    server_errors = sum(count for (_, status), count in tally.items() if status == 500)
    print(
        json.dumps(
            {
                "requests": sum(tally.values()),
                "statuses": {f"{who} {status}": n for (who, status), n in sorted(tally.items())},
                "benign_answered": round(share, 4),
                "server_errors": server_errors,
            }
        )
    )
    environment.process_exit_code = int(server_errors > 0 or share < BENIGN_SHARE)
