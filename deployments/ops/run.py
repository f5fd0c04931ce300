"""`make serve`: assembles the default models, starts Ray Serve, says when it is ready.

    python -m deployments.ops.run configs/miniature.yaml

The work is `serve run`, Ray's own command. Around it: a private Ray cluster, a ready line with a
`curl` to paste, and an end that leaves no process behind, whether by Ctrl-C or SIGTERM.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from deployments.errors import ConfigurationError
from deployments.lifeline import Lifeline
from deployments.ops.serve_config import read_serve_config

MARK = "SAFELIGHT_RUN"
"""Environment variable that all processes of one run inherit, so that none is overlooked."""
RAY = {
    # vLLM's engine is a child of its replica; the raylet ends it when the replica is gone.
    "RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper": "true",
    # Ray makes its workers yield to everything else (15), the proxy and health checks too.
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray and vLLM rename their processes; without this, over the environment and our mark.
    "SPT_NOENV": "1",
}
"""Environment of every Ray cluster that is started here."""
STOP_SECONDS = 40.0
START_SECONDS = 900.0


class Service:
    """One `serve run` and everything it started. A context manager: leaving it ends them all.

    They also end, by force, when this process is killed.

    `environment` is added to this process's own; Ray's cluster is always a new, local one.

    Raises:
        ConfigurationError: the configuration cannot be read or does not fit.
    """

    def __init__(self, config: Path, environment: Mapping[str, str] | None = None) -> None:
        self._config = config
        options = read_serve_config(config).get("http_options", {})
        self.url = f"http://127.0.0.1:{options.get('port', 8000)}"
        self._lifeline = Lifeline(MARK)
        self._environment = {**RAY, "RAY_ADDRESS": "local", **(environment or {})}

    def __enter__(self) -> "Service":
        command = [str(Path(sys.executable).parent / "serve"), "run", str(self._config)]
        environment = {**os.environ, **self._environment, **self._lifeline.mark}
        # Its own session, so that a Ctrl-C reaches it once, from us.
        self._process = subprocess.Popen(command, env=environment, start_new_session=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._lifeline.cut()

    def wait_until_ready(self, stop: threading.Event, timeout: float = START_SECONDS) -> bool:
        """Whether every deployment came up before `stop` was set.

        Raises:
            RuntimeError: `serve run` ended, a deployment failed, or not all were ready after
                `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not stop.wait(0.5):
            if self._process.poll() is not None:
                raise RuntimeError(f"`serve run` ended with {self._process.returncode}; see above")
            status = _readiness(self.url)
            if status == "ready":
                return True
            if status == "failed":
                raise RuntimeError("a deployment failed; see the log above")
            if time.monotonic() > deadline:
                raise RuntimeError(f"not ready after {timeout:g} s; see the log above")
        return False

    def running(self) -> bool:
        """Whether `serve run` is still there."""
        return self._process.poll() is None

    def processes(self) -> Iterator[psutil.Process]:
        """Every live process of this run, daemons of Ray and vLLM's engines included."""
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self._lifeline.mark[MARK]:
                    yield process
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue


def _readiness(url: str) -> str:
    """What the gateway says at /readyz; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as response:
            return json.load(response)["status"]
    except urllib.error.HTTPError as error:
        with error, contextlib.suppress(ValueError, KeyError, TypeError):
            return json.load(error)["status"]
    except (OSError, ValueError):
        pass  # nobody listens yet
    return ""


def _embedded_models(config: Path) -> list[str]:
    """The embedded models that a configuration names, wherever it does."""
    return sorted(set(re.findall(r"embedded:(\w+)", config.read_text(encoding="utf-8"))))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    config = parser.parse_args().config
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        service = Service(config)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    if names := _embedded_models(config):
        print(f"assembling the embedded models {', '.join(names)} ...", flush=True)
        subprocess.run([sys.executable, "-m", "deployments.ops.assemble", *names], check=True)
    with service:
        try:
            if service.wait_until_ready(stop):
                print(READY.format(url=service.url), flush=True)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
        while service.running() and not stop.wait(0.5):
            pass
        if not stop.is_set():
            print("`serve run` ended by itself; see the log above", file=sys.stderr)
            return 1
        print("stopping ...", flush=True)
    return 0


READY = """
Safelight is ready at {url}. Try:

  curl -s {url}/v1/images/generations -H 'Content-Type: application/json' \\
    -d '{{"prompt": "a woman in a red dress on a beach", "seed": 7}}' \\
    | python3 -c 'import base64,json,sys; d=json.load(sys.stdin); print(d["safety"]["decision"]); \\
      open("picture.png","wb").write(base64.b64decode(d["data"][0]["b64_json"]))'
"""


if __name__ == "__main__":
    sys.exit(main())
