"""A misspelt key is refused wherever it stands; Ray itself would ignore it."""

import copy

import pytest
import yaml

from deployments.errors import ConfigurationError
from deployments.ops.serve_config import check_serve_config, read_serve_config
from deployments.paths import ROOT

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configuration_is_valid(path):
    assert read_serve_config(path)["applications"]


@pytest.fixture
def content() -> dict:
    return copy.deepcopy(read_serve_config(ROOT / "configs" / "miniature.yaml"))


@pytest.mark.parametrize(
    ("place", "misspelt"),
    [
        ((), "proxy_locations"),
        (("http_options",), "prot"),
        (("logging_config",), "log_levels"),
        (("applications", 0), "route_prefixes"),
        (("applications", 0, "deployments", 0), "max_ongoing_request"),
        (("applications", 0, "deployments", 0, "ray_actor_options"), "num_cpu"),
        (("applications", 0, "deployments", 0, "autoscaling_config"), "max_replica"),
    ],
)
def test_misspelt_key_is_refused_and_named(content, place, misspelt):
    part = content
    for step in place:
        part = part[step]
    part[misspelt] = 1
    with pytest.raises(ConfigurationError, match=misspelt):
        check_serve_config(content, "here")


def test_wrong_value_is_refused(content):
    content["applications"][0]["deployments"][0]["max_ongoing_requests"] = "many"
    with pytest.raises(ConfigurationError, match="max_ongoing_requests"):
        check_serve_config(content, "here")


@pytest.mark.parametrize("text", ["applications: [", "", "3", "applications: 3"])
def test_file_that_is_no_configuration_is_refused(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigurationError):
        read_serve_config(tmp_path / "config.yaml")


def test_every_service_of_a_shipped_configuration_has_its_own_settings():
    for path in CONFIGS:
        (application,) = yaml.safe_load(path.read_text(encoding="utf-8"))["applications"]
        for deployment in application["deployments"]:
            assert {
                "autoscaling_config",
                "ray_actor_options",
                "health_check_period_s",
                "health_check_timeout_s",
                "graceful_shutdown_timeout_s",
                "max_surge_percent",
            } <= set(deployment), f"{path.name}: {deployment['name']}"
