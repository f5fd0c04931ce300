"""Adds up what a configuration asks of a machine, and refuses what does not fit.

    python -m deployments.ops.plan configs/gpu-single.yaml --cpus 16 --gpus 1

Ray counts CPUs and fractions of GPUs and enforces neither, but it never starts a replica for which
too little is left. The sums are taken at the fewest and at the most replicas of autoscaling.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from ray.serve.schema import DeploymentSchema, ServeDeploySchema

from deployments.errors import ConfigurationError
from deployments.ops.serve_config import read_serve_config

DEFAULT_CPUS = 1.0
"""The CPUs that Serve reserves for a replica whose `ray_actor_options` name none."""
ROUNDING = 1e-6


@dataclass(frozen=True)
class Demand:
    """What one deployment asks for: CPUs and GPUs per replica, and how many replicas."""

    name: str
    cpus: float
    gpus: float
    fewest: int
    most: int


def read_demands(config: Path) -> list[Demand]:
    """The demand of every deployment of a Serve configuration file.

    Raises:
        ConfigurationError: the file cannot be read or is no Serve configuration, or a service under
            `args` has no entry under `deployments`: Serve's defaults are a whole CPU and no limit.
    """
    schema = ServeDeploySchema.model_validate(read_serve_config(config))
    for application in schema.applications:
        named = {deployment.name for deployment in application.deployments}
        services = {name for name, value in application.args.items() if isinstance(value, dict)}
        if missing := sorted(services - named):
            raise ConfigurationError(
                f"application {application.name!r} says nothing under `deployments` of "
                f"{', '.join(missing)}"
            )
    return [
        _demand(deployment)
        for application in schema.applications
        for deployment in application.deployments
    ]


def problems(demands: list[Demand], cpus: float, gpus: int) -> Iterator[str]:
    """What does not fit a machine with these numbers of CPUs and GPUs, a sentence each."""
    for when, replicas in (("fewest", _fewest), ("most", _most)):
        wanted = sum(demand.cpus * replicas(demand) for demand in demands)
        if wanted > cpus + ROUNDING:
            yield f"at the {when} replicas {wanted:g} CPUs are asked for, there are {cpus:g}"
        shares = [demand.gpus for demand in demands for _ in range(replicas(demand))]
        if not fit_on_cards(shares, gpus):
            yield (
                f"at the {when} replicas {sum(shares):g} GPUs are asked for in shares of "
                f"{', '.join(f'{share:g}' for share in sorted(set(shares) - {0.0}))}; "
                f"they do not fit on {gpus} cards"
            )


def fit_on_cards(shares: list[float], cards: int) -> bool:
    """Whether the shares can be laid out so that none is split between cards, largest first.

    A share of more than one card takes whole cards; Ray refuses any other.
    """
    free = [1.0] * cards
    for share in sorted(shares, reverse=True):
        if share <= 0:
            continue
        parts = [1.0] * int(share) if share > 1 else [share]
        if share > 1 and not share.is_integer():
            return False
        for part in parts:
            card = next((i for i, room in enumerate(free) if room >= part - ROUNDING), None)
            if card is None:
                return False
            free[card] -= part
    return True


def table(demands: list[Demand]) -> Iterator[str]:
    """The sums, a line for each deployment and one for all."""
    row = "{:<12} {:>8} {:>9} {:>9} {:>15} {:>15}".format
    yield row("deployment", "replicas", "CPU each", "GPU each", "CPU min..max", "GPU min..max")
    for demand in demands:
        yield row(
            demand.name,
            f"{demand.fewest}..{demand.most}",
            f"{demand.cpus:g}",
            f"{demand.gpus:g}",
            f"{demand.cpus * demand.fewest:g}..{demand.cpus * demand.most:g}",
            f"{demand.gpus * demand.fewest:g}..{demand.gpus * demand.most:g}",
        )
    yield row("together", "", "", "", _range(demands, "cpus"), _range(demands, "gpus"))


def _demand(deployment: DeploymentSchema) -> Demand:
    given = deployment.model_dump(exclude_unset=True)
    actor = given.get("ray_actor_options") or {}
    scaling = given.get("autoscaling_config")
    if given.get("num_replicas") == "auto":
        raise ConfigurationError(
            f"{deployment.name!r}: 'auto' means up to 100 replicas; say how many under "
            "`autoscaling_config`"
        )
    if scaling is None:
        fewest = most = int(given.get("num_replicas") or 1)
    else:
        fewest, most = int(scaling.get("min_replicas", 1)), int(scaling.get("max_replicas", 1))
    cpus = actor.get("num_cpus")
    return Demand(
        name=deployment.name,
        cpus=DEFAULT_CPUS if cpus is None else float(cpus),
        gpus=float(actor.get("num_gpus") or 0),
        fewest=fewest,
        most=most,
    )


def _fewest(demand: Demand) -> int:
    return demand.fewest


def _most(demand: Demand) -> int:
    return demand.most


def _range(demands: list[Demand], what: str) -> str:
    fewest, most = (
        sum(getattr(demand, what) * replicas(demand) for demand in demands)
        for replicas in (_fewest, _most)
    )
    return f"{fewest:g}..{most:g}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--cpus", type=float, help="CPUs of the machine; default: this machine's")
    parser.add_argument("--gpus", type=int, help="its GPUs; default: this machine's")
    options = parser.parse_args(arguments)
    cpus = float(os.cpu_count() or 1) if options.cpus is None else options.cpus
    gpus = torch.cuda.device_count() if options.gpus is None else options.gpus
    try:
        demands = read_demands(options.config)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(table(demands)))
    if found := list(problems(demands, cpus, gpus)):
        print("does not fit: " + "; ".join(found), file=sys.stderr)
        return 1
    print(f"fits on {cpus:g} CPUs and {gpus} GPUs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
