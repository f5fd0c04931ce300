"""`make serve`: assembles the default models, starts Ray Serve, says when it is ready.

    python -m deployments.ops.run configs/miniature.yaml

`serve run`, Ray's own command, does the work. This adds a private Ray cluster, a line for each step
with its time, a ready line with a `curl` to paste, and an end that leaves no process behind,
whether by Ctrl-C or SIGTERM. What Ray and vLLM print goes to a file under runs/, and its end to the
terminal when the start fails; VERBOSE=1 shows all of it.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from deployments.errors import ConfigurationError
from deployments.ops.service import Service, StartError
from deployments.paths import ROOT

LAST_LINES = 25
"""How much of the log a failure shows."""
WAITING_SECONDS = 30.0
"""How often the services that are not up yet are named."""
RAY = "ray"


class Clock:
    """Seconds since it was made, as text."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __str__(self) -> str:
        return f"{self.seconds():.0f} s"

    def seconds(self) -> float:
        return time.monotonic() - self._start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    config = parser.parse_args().config
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    log = new_log()
    try:
        service = Service(config, log)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    say(f"Safelight on {config}; what Ray and vLLM print: {shown(log)}")
    if os.environ.get("VERBOSE"):
        threading.Thread(target=follow, args=(log,), daemon=True).start()
    try:
        assemble(config, log)
        if not stop.is_set():
            with service:
                serve(service, stop)
    except StartError as error:
        if stop.is_set():  # a Ctrl-C ended what was waited for
            return 0
        print(f"\nfailed: {error}", file=sys.stderr)
        print(f"\nThe last lines of {shown(log)}:\n{last_lines(log)}", file=sys.stderr)
        return 1
    return 0


def assemble(config: Path, log: Path) -> None:
    """Assembles the embedded models that the configuration names, in the cache.

    Raises:
        StartError: one of them cannot be assembled.
    """
    names = sorted(set(re.findall(r"embedded:(\w+)", config.read_text(encoding="utf-8"))))
    if not names:
        return
    say(f"embedded models: {', '.join(names)}")
    clock, command = Clock(), [sys.executable, "-m", "deployments.ops.assemble", *names]
    with log.open("ab") as errors:
        if subprocess.run(command, stderr=errors, check=False).returncode:
            raise StartError("the embedded models cannot be assembled")
    say(f"  assembled after {clock}")


def serve(service: Service, stop: threading.Event) -> None:
    """Says what comes up, and returns when `stop` is set.

    Raises:
        StartError: the services do not come up, or end by themselves.
    """
    if come_up(service, stop):
        say(READY.format(url=service.url))
    while not stop.wait(0.5):
        if not service.running():
            raise StartError("`serve run` ended by itself")
    say("stopping ...")


def come_up(service: Service, stop: threading.Event) -> bool:
    """Says for each service when it is up; false if `stop` was set before all were."""
    say("services:")
    clock, up, next_report = Clock(), set[str](), WAITING_SECONDS
    for progress in service.starting(stop):
        if (progress.up or progress.waiting) and not up:
            up.add(RAY)
            say(f"  {RAY:<15} up after {clock}")
        for name in progress.up:
            if name not in up:
                say(f"  {name:<15} up after {clock}")
        up.update(progress.up)
        if progress.waiting and clock.seconds() > next_report:
            say(f"  {clock}: waiting for {', '.join(progress.waiting)}")
            next_report = clock.seconds() + WAITING_SECONDS
    return not stop.is_set()


def say(line: str) -> None:
    print(line, flush=True)


def new_log() -> Path:
    """A new file under runs/ for what is not shown."""
    name = f"serve-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    log = ROOT / "runs" / name
    log.parent.mkdir(exist_ok=True)
    log.touch()
    return log


def shown(path: Path) -> str:
    return os.path.relpath(path)


def follow(log: Path) -> None:
    """Copies the log to the terminal as it grows."""
    with log.open("rb") as file:
        while True:
            sys.stderr.buffer.write(file.read())
            sys.stderr.flush()
            time.sleep(0.5)


def last_lines(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    return "\n".join(text.splitlines()[-LAST_LINES:])


READY = """
Safelight is ready at {url}. Try:

  curl -s {url}/v1/images/generations -H 'Content-Type: application/json' \\
    -d '{{"prompt": "a woman in a red dress on a beach", "seed": 7}}' \\
    | python3 -c 'import base64,json,sys; d=json.load(sys.stdin); print(d["safety"]["decision"]); \\
      open("picture.png","wb").write(base64.b64decode(d["data"][0]["b64_json"]))'
"""


if __name__ == "__main__":
    sys.exit(main())
