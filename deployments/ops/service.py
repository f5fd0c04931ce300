"""One `serve run` on a private Ray cluster: its processes, its log, and how far its start is."""

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

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
    # On a busy machine Ray's own 30 s do not suffice.
    "RAY_raylet_start_wait_time_s": "120",
    # Ray and vLLM rename their processes; without this, over the environment and our mark.
    "SPT_NOENV": "1",
}
"""Environment of every Ray cluster that is started here."""
STOP_SECONDS = 15.0
"""For requests under way; what has not ended by then is killed."""
START_SECONDS = 900.0
POLL_SECONDS = 1.0
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_DASHBOARD = re.compile(r"View the dashboard at (?:http://)?([\w.]+:\d+)")


class StartError(Exception):
    """The application did not come up; says why."""


@dataclass(frozen=True)
class Progress:
    """The deployments that have a running replica, and those that have none yet."""

    up: tuple[str, ...]
    waiting: tuple[str, ...]


class Service:
    """One `serve run` and everything it started. A context manager: leaving it ends them all.

    They also end, by force, when this process is killed. Ray's cluster is always a new, local one.

    Args:
        config: a Serve configuration file.
        log: the file that gets what `serve run` and its replicas print.
        environment: is added to this process's own.

    Raises:
        ConfigurationError: the configuration cannot be read or does not fit.
    """

    def __init__(
        self, config: Path, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._config, self._log = config, log
        options = read_serve_config(config).get("http_options", {})
        self.url = f"http://127.0.0.1:{options.get('port', 8000)}"
        self._lifeline = Lifeline(MARK)
        given = {**RAY, "RAY_ADDRESS": "local", **(environment or {})}
        self._environment = {**os.environ, **given, **self._lifeline.mark}

    def __enter__(self) -> "Service":
        command = [str(Path(sys.executable).parent / "serve"), "run", str(self._config)]
        # Its own session, so that a Ctrl-C reaches it once, from us.
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=self._environment,
                start_new_session=True,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._lifeline.cut()

    def starting(self, stop: threading.Event, timeout: float = START_SECONDS) -> Iterator[Progress]:
        """The progress once a second, until every deployment is up or `stop` is set.

        Raises:
            StartError: `serve run` ended, a deployment failed, or not all were ready after
                `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not stop.wait(POLL_SECONDS):
            if not self.running():
                raise StartError(f"`serve run` ended with {self._process.returncode}")
            applications = self._applications()
            if failed := _failure(applications):
                raise StartError(failed)
            progress = _progress(applications)
            yield progress
            if not progress.waiting and _ready(self.url):
                return
            if time.monotonic() > deadline:
                waiting = ", ".join(progress.waiting) or "the gateway"
                raise StartError(f"not ready after {timeout:g} s: waiting for {waiting}")

    def wait_until_ready(self, timeout: float = START_SECONDS) -> None:
        """Returns when every deployment is up; raises as `starting` does."""
        for _ in self.starting(threading.Event(), timeout):
            pass

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

    def _applications(self) -> dict[str, Any]:
        """What Serve's REST API says of the applications; empty while it does not answer.

        `serve.schema.ServeInstanceDetails` describes it.
        """
        log = self._log.read_text(encoding="utf-8", errors="replace")
        address = _DASHBOARD.search(_COLOURS.sub("", log))
        if address is None:
            return {}
        request = urllib.request.Request(
            f"http://{address[1]}/api/serve/applications/",
            headers={"Authorization": f"Bearer {_token(self._environment)}"},
        )
        return _json(request).get("applications", {})


def _token(environment: Mapping[str, str]) -> str:
    """What Ray's dashboard wants to see: the given token, or that of this user, which Ray makes."""
    if given := environment.get("RAY_AUTH_TOKEN"):
        return given
    own = Path(environment.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    return own.read_text(encoding="utf-8").strip() if own.is_file() else ""


def _progress(applications: Mapping[str, Any]) -> Progress:
    running = {
        name: any(replica["state"] == "RUNNING" for replica in deployment["replicas"])
        for application in applications.values()
        for name, deployment in application["deployments"].items()
    }
    up = tuple(name for name, runs in running.items() if runs)
    return Progress(up, tuple(name for name, runs in running.items() if not runs))


def _failure(applications: Mapping[str, Any]) -> str:
    """Why an application has failed, in Serve's words; empty if none has."""
    for name, application in applications.items():
        if application["status"] == "DEPLOY_FAILED":
            reasons = [
                f"{deployment}: {details['message']}"
                for deployment, details in application["deployments"].items()
                if details["status"] in ("DEPLOY_FAILED", "UNHEALTHY")
            ]
            return "\n".join(reasons) or f"{name}: {application['message']}"
    return ""


def _ready(url: str) -> bool:
    """Whether the gateway says at /readyz that it is ready."""
    return _json(urllib.request.Request(f"{url}/readyz")).get("status") == "ready"


def _json(request: urllib.request.Request) -> dict[str, Any]:
    """The JSON object that is answered, with an error status too; empty if there is none."""
    content: object = None
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            content = json.load(response)
    except urllib.error.HTTPError as error:
        with error, contextlib.suppress(ValueError):
            content = json.load(error)
    except (OSError, ValueError):
        pass  # nobody listens yet
    return content if isinstance(content, dict) else {}
