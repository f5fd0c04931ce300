"""Puts an overlay's `serveConfigV2` to a Ray cluster on this machine, as KubeRay does to a pod's.

    python -m k8s.rehearse miniature
    python -m k8s.rehearse gpu-single --models miniature --cpus 8 --gpus 1

`ray start --head` starts a cluster with any number of CPUs and GPUs, since Ray only counts them.
The dashboard's API takes the configuration. `--models` replaces its `args` with another
configuration's, which shows the placement of a GPU profile without a GPU. Once every deployment
runs, one request is made. Ends with one JSON line.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from deployments.lifeline import Lifeline
from deployments.ops.service import MARK, RAY
from k8s.render import CONFIGS, OVERLAYS, PATCH

ROOT = CONFIGS.parent
GCS_PORT, DASHBOARD_PORT = 26379, 28265
START_SECONDS = 600.0
PROMPT = {"prompt": "a woman in a red dress on a beach", "seed": 7}


def rendered(overlay: str) -> dict[str, Any]:
    """The `serveConfigV2` that the overlay's patch holds."""
    patch = yaml.safe_load((OVERLAYS / overlay / PATCH).read_text(encoding="utf-8"))
    config: dict[str, Any] = yaml.safe_load(patch["spec"]["serveConfigV2"])
    return config


def with_models(config: dict[str, Any], name: str) -> dict[str, Any]:
    """`config` with the `args` of configs/NAME.yaml and the environment that these models need."""
    other = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    source, target = other["applications"][0], config["applications"][0]
    target["args"] = source["args"]
    target["runtime_env"] = source["runtime_env"]
    environments = {
        deployment["name"]: deployment["ray_actor_options"].get("runtime_env")
        for deployment in source["deployments"]
    }
    for deployment in target["deployments"]:
        if environment := environments[deployment["name"]]:
            deployment["ray_actor_options"]["runtime_env"] = environment
    return config


@contextmanager
def head(cpus: int, gpus: int) -> Iterator[httpx.Client]:
    """Starts a Ray cluster of one node for this process alone; yields a client of its dashboard."""
    lifeline = Lifeline(MARK)
    token = secrets.token_hex(32)
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    environment = {**os.environ, **RAY, "PYTHONPATH": str(ROOT), **lifeline.mark}
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{DASHBOARD_PORT}", headers={"Authorization": f"Bearer {token}"}
    )
    command = [
        str(Path(sys.executable).parent / "ray"), "start", "--head", "--block",
        f"--port={GCS_PORT}", f"--dashboard-port={DASHBOARD_PORT}",
        f"--num-cpus={cpus}", f"--num-gpus={gpus}",
    ]  # fmt: skip
    log = ROOT / "runs" / "rehearsal.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            with client:
                yield client
        finally:
            lifeline.cut()


def put(client: httpx.Client, config: dict[str, Any]) -> None:
    """Hands the configuration to the dashboard, as soon as it listens.

    Raises:
        RuntimeError: it does not listen in time, or refuses the configuration.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            answer = client.put("/api/serve/applications/", json=config)
            break
        except httpx.TransportError as error:
            if time.monotonic() > deadline:
                raise RuntimeError("the dashboard does not listen") from error
            time.sleep(1)
    if answer.is_error:
        raise RuntimeError(f"the dashboard refused the configuration: {answer.text}")


def running(client: httpx.Client) -> dict[str, Any]:
    """Deployment -> what the dashboard says of it, once the application runs.

    Raises:
        RuntimeError: the application failed, or does not run in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        (application,) = client.get("/api/serve/applications/").json()["applications"].values()
        if application["status"] == "RUNNING":
            deployments: dict[str, Any] = application["deployments"]
            return deployments
        if application["status"] in ("DEPLOY_FAILED", "UNHEALTHY"):
            raise RuntimeError(f"the application failed: {application['message']}")
        time.sleep(2)
    raise RuntimeError("the application does not run in time")


def used(client: httpx.Client) -> dict[str, float]:
    """The CPUs and GPUs in use, as Ray's autoscaler counts them."""
    status = client.get("/api/cluster_status").json()["data"]["clusterStatus"]
    usage = status["loadMetricsReport"]["usage"]
    return {name: round(usage[name][0], 4) for name in ("CPU", "GPU") if name in usage}


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs an overlay's configuration on this machine.")
    parser.add_argument("overlay", choices=sorted(f.name for f in OVERLAYS.iterdir() if f.is_dir()))
    parser.add_argument("--models", help="take the models of this configuration instead")
    parser.add_argument("--cpus", type=int, default=os.cpu_count())
    parser.add_argument("--gpus", type=int, default=0)
    args = parser.parse_args()
    config = rendered(args.overlay)
    if args.models:
        config = with_models(config, args.models)
    port = config["http_options"]["port"]
    with head(args.cpus, args.gpus) as dashboard:
        put(dashboard, config)
        deployments = running(dashboard)
        url = f"http://127.0.0.1:{port}/v1/images/generations"
        answer = httpx.post(url, json=PROMPT, timeout=180)
        found = {
            "overlay": args.overlay,
            "deployments": {
                name: {"status": d["status"], "replicas": len(d["replicas"])}
                for name, d in deployments.items()
            },
            "used": used(dashboard),
            "answer": answer.status_code,
            "decision": answer.json()["safety"]["decision"],
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
