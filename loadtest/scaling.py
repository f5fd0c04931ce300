"""Whether diffusion scales alone, on the machine of a running service.

    python -m loadtest.scaling

Locust's benign users draw until diffusion has had a second replica for a while. The replicas of
every deployment are counted each second, until diffusion is back at one. Ends with one JSON line.
Fails if diffusion did not go from one to two and back, if the guard got another replica, or if a
request was lost: answered by anything but 200 or a refusal.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import serve
from tqdm import tqdm

APPLICATION = "safelight"
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
KEPT = frozenset({"benign 200", "benign 400"})


def running() -> dict[str, int]:
    """Deployment -> replicas that run."""
    deployments = serve.status().applications[APPLICATION].deployments
    return {name: d.replica_states.get("RUNNING", 0) for name, d in deployments.items()}


def drawn(asked: int = 40) -> dict[str, float]:
    """Replica of diffusion -> pictures that it finished, of all that answer one of the calls."""
    handle = serve.get_deployment_handle("diffusion", app_name=APPLICATION)
    answers = [handle.stats.remote().result(timeout_s=60) for _ in range(asked)]
    return {str(answer["replica"]): answer["completed"] for answer in answers}


def locust(host: str, users: int, seconds: int, report: Path) -> subprocess.Popen[str]:
    """Locust's benign users against `host`; the JSON line of the load test goes to its stdout."""
    command = [
        sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--host", host,
        "--headless", "--users", str(users), "--spawn-rate", "2", "--run-time", f"{seconds}s",
        "--stop-timeout", "180", "--html", str(report), "--only-summary", "Benign",
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


class Watch:
    """Counts every deployment's replicas, a row per second."""

    def __init__(self) -> None:
        self.rows: list[dict[str, int]] = []
        self._bar = tqdm(unit="s", desc="watching")

    def looked_while(self, true: Callable[[dict[str, int]], bool]) -> int:
        """Counts each second while the last row meets the condition; returns the number of rows."""
        going = True
        while going:
            self.rows.append(running())
            self._bar.update()
            self._bar.set_postfix(self.rows[-1], refresh=False)
            time.sleep(1)
            going = true(self.rows[-1])
        return len(self.rows)


def summary(rows: list[dict[str, int]], under_load: int, counts: Any) -> dict[str, Any]:
    """What was seen, in figures; seconds are from the load's start, and from its end."""
    diffusion = [row["diffusion"] for row in rows]
    statuses = Counter(counts["statuses"])
    return {
        "most_replicas": {name: max(row[name] for row in rows) for name in rows[0]},
        "seconds_to_two": next((i for i, n in enumerate(diffusion) if n > 1), None),
        "seconds_back_to_one": len(rows) - under_load if diffusion[-1] == 1 else None,
        "statuses": dict(statuses),
        "lost": sum(n for status, n in statuses.items() if status not in KEPT),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Shows that diffusion scales alone.")
    parser.add_argument("--host", default="http://127.0.0.1:8000")
    parser.add_argument("--users", type=int, default=24)
    parser.add_argument("--seconds", type=int, default=90, help="of load")
    parser.add_argument("--patience", type=float, default=300, help="seconds to wait for one again")
    args = parser.parse_args()
    ray.init("auto", log_to_driver=False, logging_level="ERROR")
    before = running()
    with tempfile.TemporaryDirectory() as scratch:
        load = locust(args.host, args.users, args.seconds, Path(scratch) / "report.html")
        watch = Watch()
        under_load = watch.looked_while(lambda _: load.poll() is None)
        served, deadline = drawn(), time.monotonic() + args.patience
        watch.looked_while(lambda row: row["diffusion"] > 1 and time.monotonic() < deadline)
    assert load.stdout is not None
    counts = json.loads(load.stdout.read().splitlines()[-1])
    found = summary(watch.rows, under_load, counts) | {"replicas_before": before, "drawn": served}
    print(json.dumps(found))
    scaled = found["seconds_to_two"] is not None and found["seconds_back_to_one"] is not None
    drew = sum(pictures > 0 for pictures in served.values())
    steady = found["most_replicas"]["guard"] == 1
    return int(not (scaled and drew > 1 and steady and not found["lost"]))


if __name__ == "__main__":
    sys.exit(main())
