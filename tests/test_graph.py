"""What the shipped configurations say of the services themselves is what the services accept."""

import copy
import importlib

import pytest
import yaml
from pydantic import ValidationError

from deployments.errors import ConfigurationError
from deployments.paths import ROOT
from deployments.policy import load_policy
from graph import SafelightConfig, build
from tests.configurations import application, merged

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


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


STEERLESS = {
    "extends": str(ROOT / "configs" / "policies" / "miniature.yaml"),
    "thresholds": {"steer": 0.5, "act": 0.5, "act_low": 0.5},
    "categories": {"undressing": {"thresholds": {"steer": 0.9, "act": 0.9, "act_low": 0.9}}},
    "output": {"strengths": [], "watch": None},
}
"""What is to be written over a policy so that nothing in it asks for steering."""


def configured(tmp_path, written: dict, **diffusion) -> SafelightConfig:
    """The miniature's configuration with this policy, and changes of `diffusion`."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump(written), encoding="utf-8")
    args = copy.deepcopy(application(ROOT / "configs" / "miniature.yaml")["args"])
    args["policy"] = str(policy)
    args["diffusion"] |= diffusion
    return SafelightConfig.model_validate(args)


def test_a_policy_that_never_steers_needs_no_steering(tmp_path):
    build(configured(tmp_path, STEERLESS, steering=None))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asking", "named"),
    [
        ({"output": {"strengths": [1.0]}}, "`output.strengths: []`"),
        (
            {"output": {"watch": {"check_points": [0.5], "thresholds": {"violence": 0.5}}}},
            "`output.watch: null`",
        ),
        ({"thresholds": {"steer": 0.4}}, "under `thresholds`"),
        ({"thresholds": {"act_low": 0.7}}, "under `thresholds`"),
        (
            {"categories": {"undressing": {"thresholds": {"steer": 0.7}}}},
            "under `categories.undressing.thresholds`",
        ),
        ({"categories": {"hate": {"action": "steer"}}}, "`categories.hate.action`"),
    ],
)
def test_a_policy_that_can_ask_for_steering_is_refused_where_diffusion_has_none(
    tmp_path, asking, named
):
    written = merged(STEERLESS, asking)
    build(configured(tmp_path, written))
    with pytest.raises(ConfigurationError, match="diffusion has no `steering`") as caught:
        build(configured(tmp_path, written, steering=None))
    (only,) = str(caught.value).partition("write in the policy: ")[2].split("; ")
    assert named in only


def test_thresholds_of_a_category_that_never_acts_ask_for_no_steering(tmp_path):
    idle = {"action": "allow", "thresholds": {"steer": 0.1, "act": 0.5, "act_low": 0.7}}
    written = merged(STEERLESS, {"categories": {"undressing": idle}})
    build(configured(tmp_path, written, steering=None))


def watching(**watch) -> dict:
    wanted = {"check_points": [0.5], "thresholds": {"violence": 0.5}} | watch
    return merged(STEERLESS, {"output": {"watch": wanted}})


def test_a_policy_that_watches_trajectories_needs_a_head(tmp_path):
    build(configured(tmp_path, watching()))
    headless = {"concept": {"concepts": {}}}
    with pytest.raises(ConfigurationError, match=r"steering\.head"):
        build(configured(tmp_path, watching(), steering=headless))


def test_a_check_point_after_the_last_denoiser_call_is_refused(tmp_path):
    build(configured(tmp_path, watching(check_points=[0.5, 0.95])))  # the twentieth of 20 steps
    with pytest.raises(ConfigurationError, match=r"\[0\.96\].*`default_steps` 20.* at 0\.95"):
        build(configured(tmp_path, watching(check_points=[0.5, 0.96])))
