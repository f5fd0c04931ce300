"""What does not fit together is found when a replica starts, not when a request comes."""

import pytest

from deployments.diffusion.config import DiffusionConfig
from deployments.diffusion.loading import load_samplers
from deployments.diffusion.steering.head import HarmHead, HeadConfig, save_head
from deployments.errors import ConfigurationError
from tests.diffusion import tiny

FITTING = {
    "categories": ("violence",),
    "prompted": "violence",
    "latent_channels": 4,
    "prompt_width": tiny.WIDTH,
    "width": 8,
    "blocks": (1,),
}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline")
    tiny.stable_diffusion().save_pretrained(folder)
    return folder


def with_head(pipeline, folder, **other) -> DiffusionConfig:
    save_head(HarmHead(HeadConfig.model_validate(FITTING | other)), folder)
    steering = {"head": {"model": str(folder)}}
    return DiffusionConfig.model_validate({"model": str(pipeline), "steering": steering})


def test_a_head_that_fits_is_loaded(pipeline, tmp_path):
    load_samplers(with_head(pipeline, tmp_path))


@pytest.mark.parametrize("other", [{"latent_channels": 8}, {"prompt_width": 24}])
def test_a_head_of_other_latents_or_texts_is_refused(pipeline, tmp_path, other):
    with pytest.raises(ConfigurationError, match="does not fit the model StableDiffusionPipeline"):
        load_samplers(with_head(pipeline, tmp_path, **other))
