"""What the shipped configurations say of the services themselves is what the services accept."""

import copy
import importlib

import pytest
from pydantic import ValidationError

from deployments.errors import ConfigurationError
from deployments.ops.serve_config import read_serve_config
from deployments.paths import ROOT
from deployments.policy import load_policy
from graph import SafelightConfig, build

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def application(path) -> dict:
    (only,) = read_serve_config(path)["applications"]
    return only


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
class TestShipped:
    def test_arguments_are_accepted_by_the_builder(self, path):
        config = SafelightConfig.model_validate(application(path)["args"])
        load_policy(ROOT / config.policy)

    def test_import_path_leads_to_the_builder(self, path):
        module, name = application(path)["import_path"].split(":")
        builder = getattr(importlib.import_module(module), name)
        assert builder.__annotations__["config"] is SafelightConfig

    def test_every_picture_category_of_the_policy_can_be_steered_away_from(self, path):
        config = SafelightConfig.model_validate(application(path)["args"])
        categories = set(load_policy(ROOT / config.policy).output.thresholds)
        assert config.diffusion.steering.concept.concepts.keys() == categories

    def test_vllm_stays_within_its_share_of_the_card(self, path):
        config = SafelightConfig.model_validate(application(path)["args"])
        shares = {
            deployment["name"]: deployment["ray_actor_options"].get("num_gpus", 0)
            for deployment in application(path)["deployments"]
        }
        for name, service in (("guard", config.guard), ("rewriter", config.rewriter)):
            if shares[name]:
                assert service.llm.gpu_memory_utilization < shares[name]


@pytest.mark.parametrize("service", ["gateway", "guard", "rewriter", "diffusion", "classifier"])
def test_misspelt_argument_is_refused(service):
    args = copy.deepcopy(application(ROOT / "configs" / "miniature.yaml")["args"])
    args[service]["misspelt"] = 1
    with pytest.raises(ValidationError, match="misspelt"):
        SafelightConfig.model_validate(args)


def test_edits_need_a_model_that_edits_one_that_judges_and_a_policy_for_it():
    args = copy.deepcopy(application(ROOT / "configs" / "miniature.yaml")["args"])
    scales = {"guidance_scale": 3.0, "image_guidance_scale": 1.5, "faithful_scale": 2.0}
    args["gateway"]["edits"] = scales
    args["diffusion"]["edit"] = args["classifier"]["transformation"] = None
    with pytest.raises(ConfigurationError) as caught:
        build(SafelightConfig.model_validate(args))
    for part in ("classifier", "diffusion"):
        assert part in str(caught.value)


def test_a_policy_that_watches_trajectories_needs_a_head(tmp_path):
    policy = tmp_path / "watching.yaml"
    policy.write_text(
        f"extends: {ROOT / 'configs' / 'policies' / 'miniature.yaml'}\n"
        "output: {watch: {check_points: [0.5], thresholds: {violence: 0.5}}}\n",
        encoding="utf-8",
    )
    args = application(ROOT / "configs" / "miniature.yaml")["args"] | {"policy": str(policy)}
    build(SafelightConfig.model_validate(args))
    headless = copy.deepcopy(args)
    headless["diffusion"]["steering"]["head"] = None
    with pytest.raises(ConfigurationError, match=r"steering\.head"):
        build(SafelightConfig.model_validate(headless))
