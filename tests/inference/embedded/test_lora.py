"""A merged LoRA is what the library that trained it makes of it."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from deployments.errors import ConfigurationError
from deployments.inference.embedded import diffusion, edit
from deployments.inference.embedded.lora import (
    ADAPTER,
    PREFIX,
    SETTINGS,
    WEIGHTS,
    merge,
    merged_folder,
    scale_of,
)
from deployments.paths import SHIPPED

PLAIN = {"r": 2, "lora_alpha": 6}


class Layers(nn.Sequential):
    """A linear layer and convolutions with a kernel of 1, 3 and 3 with a stride."""

    def __init__(self) -> None:
        super().__init__(
            nn.Linear(5, 4),
            nn.Conv2d(3, 4, 1),
            nn.Conv2d(3, 4, 3, padding=1),
            nn.Conv2d(4, 6, 3, stride=2, bias=False),
        )


def trained_by_peft(dtype: torch.dtype) -> tuple[dict[str, Tensor], dict[str, Tensor], nn.Module]:
    """Layers, random updates of them, and the layers as `peft` merges both."""
    torch.manual_seed(0)
    layers = Layers().to(dtype)
    before = {name: value.clone() for name, value in layers.state_dict().items()}
    config = LoraConfig(**PLAIN, target_modules=["0", "1", "2", "3"], init_lora_weights=False)
    tuned = get_peft_model(layers, config)
    updates = {name.removeprefix(PREFIX): value for name, value in _updates(tuned).items()}
    return before, updates, tuned.merge_and_unload()


def _updates(tuned: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in get_peft_model_state_dict(tuned).items()}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
def test_linear_and_convolution_layers_become_those_that_peft_merges(dtype, tolerance):
    before, updates, expected = trained_by_peft(dtype)
    merged = merge(before, updates, scale_of(PLAIN))
    assert merged.keys() == before.keys()
    for name, value in expected.state_dict().items():
        assert merged[name].dtype == dtype
        torch.testing.assert_close(merged[name], value, rtol=0, atol=tolerance)
        assert torch.equal(merged[name], before[name]) == ("bias" in name)


@pytest.mark.slow
def test_edit_model_is_within_a_millionth_of_what_peft_fuses(tmp_path):
    pipeline = diffusion.assemble(SHIPPED, tmp_path)
    ours = UNet2DConditionModel.from_pretrained(
        edit.assemble(pipeline, SHIPPED / "edit", tmp_path) / "unet"
    )
    fused = edit.widened(UNet2DConditionModel.from_pretrained(pipeline / "unet").float())
    layer = load_file(SHIPPED / "edit" / edit.INPUT_LAYER)
    fused.conv_in.load_state_dict({name: value.float() for name, value in layer.items()})
    fused.load_lora_adapter(SHIPPED / "edit", prefix=None, weight_name=edit.UPDATES)
    fused.fuse_lora()
    fused.unload_lora()
    plain = fused.state_dict()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, plain[name], rtol=0, atol=1e-6)


def base_and_adapter(folder: Path, settings: dict = PLAIN) -> tuple[Path, Path]:
    """A model's folder and an adapter for it, as files."""
    before, updates, _ = trained_by_peft(torch.float32)
    base, adapter = folder / "base", folder / "adapter"
    base.mkdir()
    adapter.mkdir()
    save_file(before, base / WEIGHTS, metadata={"format": "pt"})
    (base / "config.json").write_text("{}", encoding="utf-8")
    save_file({PREFIX + name: value for name, value in updates.items()}, adapter / ADAPTER)
    (adapter / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
    (adapter / "calibration.json").write_text("[1]", encoding="utf-8")
    return base, adapter


def test_folder_has_the_bases_and_the_adapters_other_files(tmp_path):
    folder = merged_folder(*base_and_adapter(tmp_path), tmp_path / "cache")
    assert {file.name for file in folder.iterdir()} == {WEIGHTS, "config.json", "calibration.json"}
    before, updates, _ = trained_by_peft(torch.float32)
    merged, expected = load_file(folder / WEIGHTS), merge(before, updates, 3.0)
    assert all(torch.equal(merged[name], value) for name, value in expected.items())


def test_changed_file_of_the_adapter_makes_a_new_folder(tmp_path):
    base, adapter = base_and_adapter(tmp_path)
    first = merged_folder(base, adapter, tmp_path / "cache")
    assert merged_folder(base, adapter, tmp_path / "cache") == first
    (adapter / "calibration.json").write_text("[2]", encoding="utf-8")
    assert merged_folder(base, adapter, tmp_path / "cache") != first


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("use_rslora", True),
        ("use_dora", True),
        ("modules_to_save", ["head"]),
        ("rank_pattern", {"0": 4}),
        ("alpha_pattern", {"0": 4}),
        ("fan_in_fan_out", True),
        ("lora_bias", True),
    ],
)
def test_lora_that_is_not_plain_is_refused_with_the_settings_name(tmp_path, setting, value):
    paths = base_and_adapter(tmp_path, PLAIN | {setting: value})
    with pytest.raises(ConfigurationError, match=setting):
        merged_folder(*paths, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("settings", [{}, {"r": 2}, {"r": 0, "lora_alpha": 6}])
def test_settings_without_a_scale_are_refused(settings):
    with pytest.raises(ConfigurationError, match="lora_alpha"):
        scale_of(settings)


@pytest.mark.parametrize("missing", [ADAPTER, SETTINGS])
def test_adapter_without_a_file_is_refused(tmp_path, missing):
    base, adapter = base_and_adapter(tmp_path)
    (adapter / missing).unlink()
    with pytest.raises(ConfigurationError, match=missing):
        merged_folder(base, adapter, tmp_path / "cache")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"9.lora_A.weight": (2, 5), "9.lora_B.weight": (4, 2)}, "9.lora_A"),
        ({"0.lora_B.weight": None}, "0.lora_A"),
        ({"0.lora_A.weight": None}, "0.lora_B"),
        ({"0.lora_A.weight": (2, 7)}, "shape"),
        ({"0.lora_B.weight": (4, 3)}, "shape"),
        ({"2.lora_A.weight": (2, 3, 1, 1)}, "shape"),
        ({"2.lora_B.weight": (4, 2, 3, 3)}, "shape"),
        ({"0.scale": (1,)}, "0.scale"),
    ],
)
def test_update_that_fits_no_layer_is_refused_and_named(changed, said):
    layers, updates, _ = trained_by_peft(torch.float32)
    for name, shape in changed.items():
        if shape is None:
            del updates[name]
        else:
            updates[name] = torch.zeros(shape)
    with pytest.raises(ConfigurationError, match=said):
        merge(layers, updates, 1.0)
