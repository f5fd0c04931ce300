"""Reads the denoiser's own counters over a Serve handle: a line in, a line of JSON out.

    python -m tests.cluster.counters GCS_ADDRESS

A process of its own, since Ray takes a cluster's token from the environment at import and no later.
"""

import json
import sys

import ray
from ray import serve


def main(gcs_address: str) -> None:
    ray.init(gcs_address, log_to_driver=False, logging_level="ERROR")
    handle = serve.get_deployment_handle("diffusion", app_name="safelight")
    for _ in sys.stdin:
        print(json.dumps(handle.stats.remote().result(timeout_s=60)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
