"""What a rehearsal puts to the cluster is the overlay's own, models aside."""

from deployments.ops.serve_config import check_serve_config
from k8s.rehearse import rendered, with_models


def test_models_are_exchanged_and_shares_stay():
    profile = rendered("gpu-single")
    mixed = with_models(rendered("gpu-single"), "miniature")
    check_serve_config(mixed, "the mixture")
    (before,), (after,) = profile["applications"], mixed["applications"]
    assert after["args"] == rendered("miniature")["applications"][0]["args"]

    def shares(application):
        return {
            d["name"]: (d["ray_actor_options"]["num_cpus"], d["ray_actor_options"].get("num_gpus"))
            for d in application["deployments"]
        }

    assert shares(after) == shares(before)
    guard = next(d for d in after["deployments"] if d["name"] == "guard")
    assert "VLLM_CPU_KVCACHE_SPACE" in guard["ray_actor_options"]["runtime_env"]["env_vars"]
