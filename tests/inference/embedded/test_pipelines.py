"""The embedded pipelines are assembled from shipped and packaged files, and are whole."""

import shutil
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel

from deployments.errors import ConfigurationError
from deployments.inference.embedded import diffusion, edit
from deployments.inference.embedded.edit import widened
from deployments.paths import SHIPPED

CHANNELS = 4


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A copy of what the repository ships of the pipeline."""
    models = tmp_path / "models"
    for place in diffusion.SHIPPED:
        (models / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SHIPPED / place, models / place)
    shutil.copytree(SHIPPED / "edit", models / "edit")
    return models


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_pipeline_loads_from_the_assembled_folder(shipped, cache):
    folder = diffusion.assemble(shipped, cache)
    pipeline = DiffusionPipeline.from_pretrained(folder)
    assert pipeline.tokenizer("a beach").input_ids[0] == pipeline.tokenizer.cls_token_id
    assert diffusion.assemble(shipped, cache) == folder


def test_newly_trained_weights_get_a_new_folder_and_the_old_one_keeps_its_own(shipped, cache):
    first = diffusion.assemble(shipped, cache)
    place = "scheduler/scheduler_config.json"
    before = (first / place).read_text(encoding="utf-8")
    (shipped / place).write_text(before.replace("1000", "500"), encoding="utf-8")
    assert diffusion.assemble(shipped, cache) != first
    assert (first / place).read_text(encoding="utf-8") == before


@pytest.mark.parametrize("place", diffusion.SHIPPED)
def test_missing_file_of_the_pipeline_is_named(shipped, cache, place):
    (shipped / place).unlink()
    with pytest.raises(ConfigurationError, match=place):
        diffusion.assemble(shipped, cache)


@pytest.mark.slow
def test_edit_pipeline_loads_from_the_assembled_folder(shipped, cache):
    pipeline = diffusion.assemble(shipped, cache)
    folder = edit.assemble(pipeline, shipped / "edit", cache)
    loaded = DiffusionPipeline.from_pretrained(folder)
    assert type(loaded).__name__ == "StableDiffusionInstructPix2PixPipeline"
    assert loaded.unet.config.in_channels == 2 * CHANNELS


@pytest.mark.parametrize("name", [edit.INPUT_LAYER, edit.UPDATES])
def test_missing_file_of_the_edit_model_is_named(shipped, cache, name):
    pipeline = diffusion.assemble(shipped, cache)
    (shipped / "edit" / name).unlink()
    with pytest.raises(ConfigurationError, match=name):
        edit.assemble(pipeline, shipped / "edit", cache)


@pytest.mark.slow
@pytest.mark.parametrize("name", [edit.INPUT_LAYER, edit.UPDATES])
def test_edit_model_of_another_unet_is_refused(shipped, cache, name):
    pipeline = diffusion.assemble(shipped, cache)
    shutil.copyfile(SHIPPED / "head" / "model.safetensors", shipped / "edit" / name)
    with pytest.raises(ConfigurationError, match="does not fit the U-Net"):
        edit.assemble(pipeline, shipped / "edit", cache)
    assert not list(cache.glob("edit-*"))


def tiny() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8,
        attention_head_dim=4,
    ).eval()


@torch.no_grad()
def test_widened_unet_at_first_does_not_see_the_other_picture():
    unet = tiny()
    latents, other = torch.randn(2, 2, CHANNELS, 8, 8)
    text = torch.randn(2, 3, 8)
    expected = unet(latents, 5, text).sample
    found = widened(unet)(torch.cat([latents, other], dim=1), 5, text).sample
    torch.testing.assert_close(found, expected)
    assert unet.config.in_channels == 2 * CHANNELS


@torch.no_grad()
def test_widened_unet_can_learn_to_see_the_other_picture():
    unet = widened(tiny())
    unet.conv_in.weight.data[:, CHANNELS:] = 0.1
    latents, other = torch.randn(2, 1, CHANNELS, 8, 8)
    text = torch.randn(1, 3, 8)
    first, second = (
        unet(torch.cat([latents, seen], dim=1), 5, text).sample for seen in (other, -other)
    )
    assert not torch.allclose(first, second)
