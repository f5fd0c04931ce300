"""The whole application on the embedded models, started once: real Serve, real vLLM, real HTTP.

It has its own port, Ray cluster and audit log, and only its own processes are ever killed.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from subprocess import PIPE
from typing import Any

import httpx
import openai
import psutil
import pytest
import yaml

from deployments.ops.service import Service
from deployments.paths import ROOT

START_SECONDS = 840.0
RECOVERY_SECONDS = 300.0
APPLICATION = "safelight"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


class Cluster:
    """The running application, with the views of it that no client has."""

    def __init__(self, service: Service, policy: Path, audit_log: Path) -> None:
        self.url = service.url
        self._policy = policy
        self.audit_log = audit_log
        self._service = service

    def ready(self) -> bool:
        """Whether every deployment has a running replica."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200
        except httpx.HTTPError:
            return False

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """The replica processes of one deployment, in the order in which they started."""
        title = f"ray::ServeReplica:{APPLICATION}:{deployment}"
        found = [process for process in self._service.processes() if title_of(process, title)]
        return sorted(found, key=lambda process: process.create_time())

    def engines(self) -> list[psutil.Process]:
        """The engine processes of all vLLM replicas."""
        return [p for p in self._service.processes() if title_of(p, "VLLM::EngineCore")]

    def add_block_term(self, category: str, term: str) -> None:
        """Edits the policy's word lists, as an operator does while the service runs."""
        words = {category: {"block_terms": [term]}}
        self._policy.with_name("words.yaml").write_text(yaml.safe_dump(words), encoding="utf-8")

    def gcs_address(self) -> str:
        """The address at which a Ray driver joins this cluster."""
        option = "--gcs-address="
        for process in self._service.processes():
            if process.name() == "raylet":
                found = next(word for word in process.cmdline() if word.startswith(option))
                return found.removeprefix(option)
        raise AssertionError("the cluster has no raylet")


def title_of(process: psutil.Process, start: str) -> bool:
    """Whether the process, if it still runs, has named itself so."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and any(
            word.startswith(start) for word in process.cmdline()[:1]
        )
    except psutil.NoSuchProcess:
        return False


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits, and fails with `what` when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def derived_config(path: Path, policy: Path, audit_log: Path) -> Path:
    """`configs/miniature.yaml` with a port, policy and log of its own, and one patient denoiser."""
    config = yaml.safe_load((ROOT / "configs" / "miniature.yaml").read_text(encoding="utf-8"))
    config["http_options"]["port"] = free_port()
    application = config["applications"][0]
    shipped = ROOT / application["args"]["policy"]
    policy.write_text(f"extends: {shipped}\nword_lists: words.yaml\n", encoding="utf-8")
    policy.with_name("words.yaml").write_text("{}", encoding="utf-8")
    application["args"]["policy"] = str(policy)
    application["args"]["gateway"]["audit_log"] = str(audit_log)
    application["args"]["diffusion"] |= {"max_waiting": 300, "max_backlog_seconds": 3600}
    for deployment in application["deployments"]:
        if deployment["name"] in ("gateway", "diffusion"):
            deployment["autoscaling_config"]["max_replicas"] = 1
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def token() -> dict[str, str]:
    """The environment in which Ray's processes of this cluster, and no others, know each other."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, token: dict[str, str]) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    audit_log, policy = folder / "audit.jsonl", folder / "policy.yaml"
    config = derived_config(folder / "config.yaml", policy, audit_log)
    with Service(config, folder / "serve.log", token) as service:
        service.wait_until_ready(START_SECONDS)
        yield Cluster(service, policy, audit_log)


@pytest.fixture(scope="session")
def denoiser(cluster: Cluster, token: dict[str, str]) -> Iterator[Callable[[], dict[str, float]]]:
    """The denoiser's own counters, asked of its replica."""
    command = [sys.executable, "-m", "tests.cluster.counters", cluster.gcs_address()]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | token, stdin=PIPE, stdout=PIPE, text=True, bufsize=1
    ) as process:

        def read() -> dict[str, float]:
            print(file=process.stdin)
            return json.loads(process.stdout.readline())

        yield read
        process.stdin.close()
        process.wait(30)


@pytest.fixture
def http(cluster: Cluster) -> Iterator[httpx.Client]:
    """A client that gives up only after the longest deadline."""
    with httpx.Client(base_url=cluster.url, timeout=180) as client:
        yield client


@pytest.fixture
def sent() -> list[Any]:
    """The requests that `client` really sent, retries included."""
    return []


@pytest.fixture
def client(cluster: Cluster, sent: list[Any]) -> Iterator[openai.OpenAI]:
    """The official client; only base_url is changed."""
    transport = openai.DefaultHttpxClient(event_hooks={"request": [sent.append]})
    with openai.OpenAI(
        api_key="any", base_url=f"{cluster.url}/v1", http_client=transport
    ) as official:
        yield official
