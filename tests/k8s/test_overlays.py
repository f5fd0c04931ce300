"""Every overlay renders, validates strictly, follows its configuration, and has room for it."""

import copy
import shutil
import subprocess

import jsonschema
import kubernetes_validate
import pytest
import yaml

from deployments.errors import ConfigurationError
from deployments.ops.plan import problems, read_demands
from deployments.ops.serve_config import check_serve_config
from deployments.paths import ROOT
from k8s.render import CONFIGS, PATCH, patch, serve_config
from tests.k8s.manifests import OVERLAYS, Manifest, render, validate

MISFIT = (jsonschema.ValidationError, kubernetes_validate.ValidationError)

pytestmark = pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)


def ray_service(overlay) -> Manifest:
    (service,) = (m for m in render(overlay) if m["kind"] == "RayService")
    return service


def pods(service: Manifest) -> list[Manifest]:
    cluster = service["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


@pytest.mark.slow
def test_every_manifest_is_valid(overlay):
    manifests = render(overlay)
    assert {m["kind"] for m in manifests} >= {"RayService", "NetworkPolicy", "PodDisruptionBudget"}
    for manifest in manifests:
        validate(manifest)


def test_serve_config_follows_the_configuration_of_the_same_name(overlay):
    written = (overlay / PATCH).read_text(encoding="utf-8")
    assert written == patch(CONFIGS / f"{overlay.name}.yaml"), "run `make k8s`"


def test_changed_configuration_is_a_drift(overlay, tmp_path):
    source = (CONFIGS / f"{overlay.name}.yaml").read_text(encoding="utf-8")
    changed = tmp_path / f"{overlay.name}.yaml"
    changed.write_text(source.replace("min_replicas: 1", "min_replicas: 2", 1), encoding="utf-8")
    assert (overlay / PATCH).read_text(encoding="utf-8") != patch(changed)


def test_serve_config_is_valid_and_reaches_every_node(overlay):
    config = yaml.safe_load(ray_service(overlay)["spec"]["serveConfigV2"])
    check_serve_config(config, overlay.name)
    assert config["proxy_location"] == "EveryNode"
    assert config["http_options"]["host"] == "0.0.0.0"


def test_misspelt_key_of_the_configuration_is_not_rendered(overlay, tmp_path):
    source = (CONFIGS / f"{overlay.name}.yaml").read_text(encoding="utf-8")
    misspelt = tmp_path / f"{overlay.name}.yaml"
    misspelt.write_text(source.replace("max_surge_percent", "max_surge_percents", 1))
    with pytest.raises(ConfigurationError, match="max_surge_percents"):
        serve_config(misspelt)


@pytest.mark.slow
@pytest.mark.parametrize(
    "place",
    [
        ("spec",),
        ("spec", "upgradeStrategy"),
        ("spec", "rayClusterConfig"),
        ("spec", "rayClusterConfig", "headGroupSpec"),
        ("spec", "rayClusterConfig", "workerGroupSpecs", 0),
        ("spec", "rayClusterConfig", "workerGroupSpecs", 0, "template", "spec"),
        (
            "spec", "rayClusterConfig", "workerGroupSpecs", 0, "template", "spec", "containers", 0,
            "securityContext",
        ),
    ],
    ids=lambda place: ".".join(map(str, place[-2:])),
)  # fmt: skip
def test_misspelt_key_of_the_ray_service_is_refused(overlay, place):
    service = copy.deepcopy(ray_service(overlay))
    part = service
    for step in place:
        part = part[step]
    part["misspelt"] = True
    with pytest.raises(MISFIT, match="misspelt"):
        validate(service)


def test_misspelt_key_of_any_other_manifest_is_refused(overlay):
    for manifest in render(overlay):
        if manifest["kind"] in ("NetworkPolicy", "PodDisruptionBudget", "PersistentVolumeClaim"):
            with pytest.raises(MISFIT, match="misspelt"):
                validate(manifest | {"spec": manifest["spec"] | {"misspelt": True}})


def test_workers_have_room_for_every_replica(overlay):
    cpus, gpus = 0.0, 0
    for group in ray_service(overlay)["spec"]["rayClusterConfig"]["workerGroupSpecs"]:
        (container,) = group["template"]["spec"]["containers"]
        limits = container["resources"]["limits"]
        cpus += group["maxReplicas"] * float(limits["cpu"])
        gpus += group["maxReplicas"] * int(limits.get("nvidia.com/gpu", 0))
    assert not list(problems(read_demands(CONFIGS / f"{overlay.name}.yaml"), cpus, gpus))


def test_no_pod_is_privileged_and_engines_die_with_their_replicas(overlay):
    head, *workers = pods(ray_service(overlay))
    for pod in (head, *workers):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    for worker in workers:
        (container,) = worker["containers"]
        names = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert names["RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper"] == "true"


def test_pods_outlive_the_longest_shutdown(overlay):
    config = yaml.safe_load(ray_service(overlay)["spec"]["serveConfigV2"])
    (application,) = config["applications"]
    longest = max(d["graceful_shutdown_timeout_s"] for d in application["deployments"])
    for pod in pods(ray_service(overlay))[1:]:
        assert pod["terminationGracePeriodSeconds"] > longest


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("kubectl"), reason="compares with kubectl, which is not here")
def test_kubectl_renders_the_same(overlay):
    command = ["kubectl", "kustomize", str(overlay.relative_to(ROOT))]
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    def by_kind(manifests) -> list:
        return sorted(manifests, key=lambda manifest: manifest["kind"])

    assert by_kind(yaml.safe_load_all(shown)) == by_kind(render(overlay))
