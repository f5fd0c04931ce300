import json

import pytest
import torch

from deployments.diffusion.steering.guidance import away_from_harm
from deployments.diffusion.steering.head import HarmHead, HeadConfig, load_head, save_head
from deployments.errors import ConfigurationError

CATEGORIES = ("violence", "sexual", "hate", "demeaning")
CONFIG = HeadConfig(
    categories=CATEGORIES, prompted="demeaning", prompt_width=6, width=8, blocks=(1, 1)
)


def head() -> HarmHead:
    torch.manual_seed(3)
    return HarmHead(CONFIG).eval()


def inputs(seed: int, rows: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, 8, 8, 8, generator=generator),
        torch.rand(rows, generator=generator) * 1000,
        torch.randn(rows, 6, generator=generator),
    )


def test_one_logit_per_category_and_row():
    model = head()
    assert model.categories == CATEGORIES
    assert model(*inputs(0)).shape == (3, 4)


def test_one_prompt_serves_all_rows():
    model = head()
    clean, timestep, prompt = inputs(0)
    alone = model(clean, timestep, prompt[:1])
    assert torch.allclose(alone, model(clean, timestep, prompt[:1].expand(3, -1)))


def test_only_the_prompted_category_reads_the_prompt():
    model = head()
    clean, timestep, prompt = inputs(0)
    before, after = model(clean, timestep, prompt), model(clean, timestep, -prompt)
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3])


def test_the_timestep_matters():
    model = head()
    clean, timestep, prompt = inputs(0)
    assert not torch.allclose(model(clean, timestep, prompt), model(clean, timestep / 2, prompt))


def test_the_gradient_is_smooth_enough_to_be_checked_numerically():
    model = head().double()
    clean, timestep, prompt = (value.double() for value in inputs(1, rows=1))
    torch.autograd.gradcheck(
        lambda x: model(x, timestep, prompt), clean.requires_grad_(), fast_mode=True
    )


def test_steering_by_it_lowers_its_own_logit():
    model = head().requires_grad_(False)
    clean, timestep, prompt = inputs(2)

    def margin(point: torch.Tensor) -> torch.Tensor:
        return model(point, timestep, prompt)[:, 0] + 5.0

    shift = away_from_harm(margin, clean, strength=1.0, steps=3, max_shift=0.5)
    assert (margin(clean + shift) < margin(clean)).all()


def test_it_is_read_back_as_it_was_written_in_bf16(tmp_path):
    model = head()
    save_head(model, tmp_path)
    again = load_head(tmp_path)
    assert again.config == CONFIG
    assert {value.dtype for value in again.state_dict().values()} == {torch.float32}
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value.bfloat16().float())
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_the_default_shape_has_fewer_than_three_million_parameters():
    model = HarmHead(HeadConfig(categories=CATEGORIES, prompted="demeaning"))
    assert sum(parameter.numel() for parameter in model.parameters()) < 3_000_000


@pytest.mark.parametrize("damage", ["no folder", "no weights", "key", "shape", "cut"])
def test_what_cannot_be_loaded_is_a_configuration_error(tmp_path, damage):
    save_head(head(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    if damage == "no folder":
        tmp_path = tmp_path / "elsewhere"
    elif damage == "no weights":
        (tmp_path / "model.safetensors").unlink()
    elif damage == "key":
        (tmp_path / "config.json").write_text(json.dumps(config | {"widht": 8}))
    elif damage == "shape":
        (tmp_path / "config.json").write_text(json.dumps(config | {"width": 16}))
    elif damage == "cut":
        weights = tmp_path / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ConfigurationError, match="cannot load the head"):
        load_head(tmp_path)
