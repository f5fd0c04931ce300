"""A Serve application without models: a replica with a child process, as vLLM's has."""

import os
import subprocess
import sys

from ray import serve
from ray.serve import Application

CHILD = "import time; time.sleep(3600)"


@serve.deployment(name="toy", ray_actor_options={"num_cpus": 0.1})
class Toy:
    """Answers with its own process id and its child's."""

    def __init__(self) -> None:
        self._child = subprocess.Popen([sys.executable, "-c", CHILD])

    async def __call__(self, _: object) -> dict[str, int | str]:
        return {"status": "ready", "replica": os.getpid(), "child": self._child.pid}


def build(args: dict) -> Application:
    return Toy.bind()


@serve.deployment(name="broken", ray_actor_options={"num_cpus": 0.1})
class Broken:
    """A replica that cannot start."""

    def __init__(self) -> None:
        raise RuntimeError("the toy has no batteries")


def build_broken(args: dict) -> Application:
    return Broken.bind()
