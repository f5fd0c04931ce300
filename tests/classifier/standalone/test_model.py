import torch

from tests.classifier import tiny


def inputs(rows: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    output, before = torch.randn(2, rows, 3, 32, 32, generator=generator)
    states = torch.randn(rows, 5, 384, generator=generator)
    return output, states, torch.ones(rows, 5), before


def test_one_logit_per_category():
    output, states, mask, before = inputs()
    assert tiny.model()(output, states, mask).shape == (2, 4)
    assert tiny.model()(output, states, mask, before).shape == (2, 4)


def test_no_wording_and_no_input_picture_changes_what_is_seen_in_the_output():
    output, states, mask, before = inputs()
    model = tiny.model()
    plain, other = model(output, states, mask), model(output, -states, mask, before)
    assert torch.equal(plain[:, :3], other[:, :3])


def test_the_related_category_reads_prompt_and_input_picture():
    output, states, mask, before = inputs()
    model = tiny.model()
    seen = model.features(output)
    _, plain = model.parts(seen, states, mask)
    _, reworded = model.parts(seen, -states, mask)
    _, edited = model.parts(seen, states, mask, model.features(before))
    assert not torch.allclose(plain, reworded)
    assert not torch.allclose(plain, edited)


def test_the_related_category_is_the_higher_of_its_two_readings():
    model = tiny.model()
    visual, relation = torch.zeros(3, 4), torch.tensor([-1.0, 0.0, 2.0])
    assert model.joined(visual, relation)[:, 3].tolist() == [0.0, 0.0, 2.0]


def test_padding_is_not_read():
    output, states, mask, _ = inputs()
    model = tiny.model()
    padded = torch.cat([states, torch.full((2, 3, 384), 7.0)], dim=1)
    longer = torch.cat([mask, torch.zeros(2, 3)], dim=1)
    assert torch.allclose(model(output, states, mask), model(output, padded, longer), atol=1e-6)


def test_calibration_survives_saving_and_moves_the_logits(tmp_path):
    output, states, mask, _ = inputs()
    calibration = dict.fromkeys(tiny.CATEGORIES, (1.0, 0.0)) | {"hate": (2.0, 0.5)}
    plain = tiny.model()(output, states, mask)
    tiny.saved(tmp_path, calibration=calibration)
    moved = type(tiny.model()).from_pretrained(tmp_path).eval()(output, states, mask)
    assert torch.allclose(moved[:, 2], 2 * plain[:, 2] + 0.5, atol=1e-6)
    assert torch.allclose(moved[:, :2], plain[:, :2], atol=1e-6)
