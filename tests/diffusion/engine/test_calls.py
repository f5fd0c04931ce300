import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput

from deployments.diffusion.engine.calls import (
    Asking,
    AskingDecoder,
    Call,
    apart,
    call_of,
    joined,
    one_row,
)
from tests.diffusion import tiny

TOLERANCE = 1e-5
"""Largest difference of float32 outputs (of order one) between a call alone and among others."""


def model(*args, **kwargs):
    """Stands for any model where a call is looked at and not run."""
    raise AssertionError("nobody runs this")


def latents(rows: int = 2, *, seed: int = 0, shape=(4, 8, 8)) -> torch.Tensor:
    return torch.randn(rows, *shape, generator=torch.Generator().manual_seed(seed))


def text(rows: int = 2, length: int = 16, width: int = tiny.WIDTH, *, seed: int = 0):
    return latents(rows, seed=seed, shape=(length, width))


def call(rows: int = 2, timestep=None, *, lane=None, called=model, **changes) -> Call:
    """A call as the pipelines of U-Nets make it."""
    timestep = torch.tensor(999) if timestep is None else timestep
    kwargs = {"encoder_hidden_states": text(rows), "return_dict": False} | changes
    return call_of(called, (latents(rows), timestep), kwargs, lane)


def meet(one: Call, other: Call) -> bool:
    return one.bucket == other.bucket


# Which calls meet


@pytest.mark.parametrize("timestep", [torch.tensor(3), torch.tensor(3.5), torch.tensor(3.5).half()])
def test_calls_at_any_timestep_meet(timestep):
    assert meet(call(), call(timestep=timestep))


def test_calls_of_any_number_of_rows_meet():
    assert meet(call(rows=1), call(rows=2))


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder_hidden_states": text(length=32)},
        {"encoder_hidden_states": text().double()},
        {"return_dict": True},
        {"lane": "other"},
        {"called": lambda *args, **kwargs: None},
        {"cross_attention_kwargs": {"scale": 0.5}},
        {"timestep_cond": latents()},
        {"timestep": torch.tensor([999, 999])},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_calls_that_differ_otherwise_do_not(changes):
    assert not meet(call(), call(**changes))


def test_a_dict_is_not_what_it_holds():
    assert not meet(call(added_cond_kwargs={"scale": 1}), call(scale=1))
    assert not meet(call(), call(added_cond_kwargs={}))


def test_an_unhashable_argument_lets_a_call_run_alone():
    assert meet(call(layers=frozenset({1})), call(layers=frozenset({1})))
    assert not meet(call(layers={1}), call(layers={1}))


def test_a_tensor_that_does_not_count_rows_lets_a_call_run_alone():
    # Its values may differ, and only one of them could reach the model.
    assert not meet(call(guidance=torch.tensor([3.0])), call(guidance=torch.tensor([7.0])))
    lists = [call_of(model, ([*latents(seed=seed)], torch.ones(2)), {}) for seed in (0, 1)]
    assert not meet(*lists)


# Put together


def test_rows_are_laid_end_to_end_and_scalar_timesteps_become_one_per_row():
    together = joined([call(2, torch.tensor(7)), call(1, torch.tensor(0.5).double())])
    sample, timestep = together.args
    assert together.rows == 3
    assert torch.equal(sample, torch.cat([latents(2), latents(1)]))
    assert timestep.tolist() == [7, 7, 0.5]
    assert timestep.dtype == torch.float32
    assert len(together.kwargs["encoder_hidden_states"]) == 3
    assert together.kwargs["return_dict"] is False


def test_dicts_and_lists_are_joined_by_rows():
    calls = [
        call(
            rows,
            added_cond_kwargs={"text_embeds": torch.full((rows, 8), rows), "scale": 1.0},
            residuals=[torch.full((rows, 4), rows), torch.full((rows, 2), rows)],
        )
        for rows in (2, 1)
    ]
    assert meet(*calls)
    together = joined(calls).kwargs
    assert together["added_cond_kwargs"]["text_embeds"][:, 0].tolist() == [2, 2, 1]
    assert together["added_cond_kwargs"]["scale"] == 1.0
    assert [part[:, 0].tolist() for part in together["residuals"]] == [[2, 2, 1]] * 2


def test_position_ids_are_shared_even_where_they_have_as_many_places_as_there_are_rows():
    ids = {"img_ids": torch.zeros(2, 3), "txt_ids": torch.zeros(16, 3)}
    calls = [call(2, **{name: value.clone() for name, value in ids.items()}) for _ in range(2)]
    assert meet(*calls)
    together = joined(calls).kwargs
    assert all(torch.equal(together[name], ids[name]) for name in ids)


def test_one_call_is_left_as_it_is():
    alone = call()
    assert joined([alone]) is alone


def test_the_last_row_is_a_call_that_meets_its_own():
    whole = call(2, added_cond_kwargs={"text_embeds": latents()}, img_ids=torch.zeros(2, 3))
    row = one_row(whole, whole.rows - 1)
    assert row.rows == 1
    assert torch.equal(row.args[0], whole.args[0][1:])
    assert torch.equal(row.kwargs["added_cond_kwargs"]["text_embeds"], latents()[1:])
    assert row.kwargs["img_ids"] is whole.kwargs["img_ids"]
    assert meet(row, whole)


# Taken apart


def test_each_gets_its_rows_in_the_form_in_which_the_model_gives_them():
    output = torch.arange(6.0).view(3, 2)
    first, second = output[:2], output[2:]
    assert_same(apart(output, [2, 1]), [first, second])
    assert_same(apart((output, output), [2, 1]), [(first, first), (second, second)])
    named = apart(UNet2DConditionOutput(sample=output), [2, 1])
    assert [type(part) for part in named] == [UNet2DConditionOutput] * 2
    assert_same([part.sample for part in named], [first, second])
    assert apart(None, [2, 1]) == [None, None]


def test_an_output_without_the_calls_rows_is_an_error():
    with pytest.raises(RuntimeError, match="split"):
        apart(torch.zeros(4), [2, 1])


def assert_same(parts, expected) -> None:
    torch.testing.assert_close(parts, expected, rtol=0, atol=0)


# Real models


def unet_call(denoiser, rows: int, timestep: float, *, seed: int) -> Call:
    args = latents(rows, seed=seed), torch.tensor(timestep)
    return call_of(denoiser, args, {"encoder_hidden_states": text(rows, seed=seed)})


def sd3_call(denoiser, rows: int, timestep: float, *, seed: int) -> Call:
    kwargs = {
        "hidden_states": latents(rows, seed=seed),
        "timestep": torch.tensor(timestep).expand(rows),
        "encoder_hidden_states": text(rows, width=2 * tiny.WIDTH, seed=seed),
        "pooled_projections": latents(rows, seed=seed, shape=(2 * tiny.WIDTH,)),
        "return_dict": False,
    }
    return call_of(denoiser, (), kwargs)


def flux_call(denoiser, rows: int, timestep: float, *, seed: int) -> Call:
    places = torch.cartesian_prod(torch.zeros(1), torch.arange(4.0), torch.arange(4.0))
    kwargs = {
        "hidden_states": latents(rows, seed=seed, shape=(16, 16)),
        "timestep": torch.tensor(timestep / 1000).expand(rows),
        "guidance": torch.full((rows,), 1.0 + seed),
        "encoder_hidden_states": text(rows, seed=seed),
        "pooled_projections": latents(rows, seed=seed, shape=(tiny.WIDTH,)),
        "img_ids": places,
        "txt_ids": torch.zeros(16, 3),
        "return_dict": False,
    }
    return call_of(denoiser, (), kwargs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "called"),
    [
        (lambda: tiny.stable_diffusion().unet, unet_call),
        (lambda: tiny.stable_diffusion_3().transformer, sd3_call),
        (lambda: tiny.flux().transformer, flux_call),
    ],
    ids=["unet", "sd3", "flux"],
)
def test_rows_at_different_timesteps_are_answered_as_if_alone(make, called):
    denoiser = make()
    calls = [
        called(denoiser, rows, timestep, seed=seed)
        for seed, (rows, timestep) in enumerate([(2, 981.0), (1, 500.0), (2, 1.0)])
    ]
    assert len({call.bucket for call in calls}) == 1
    with torch.no_grad():
        alone = [call.run() for call in calls]
        together = apart(joined(calls).run(), [call.rows for call in calls])
    for one, other in zip(alone, together, strict=True):
        assert type(one) is type(other)
        torch.testing.assert_close(other[0], one[0], rtol=0, atol=TOLERANCE)
    assert not torch.allclose(alone[0][0][0], alone[1][0][0], atol=100 * TOLERANCE)


def test_an_autoencoders_decode_is_asked_in_its_own_dtype():
    vae, asked = tiny.autoencoder(4).double(), []

    def ask(call: Call):
        asked.append(call)
        return call.run()

    with torch.no_grad():
        picture = AskingDecoder(vae, ask, "lane").decode(latents(1), return_dict=False)[0]
        assert torch.equal(picture, vae.decode(latents(1).double()).sample)
    assert [(call.rows, call.lane) for call in asked] == [(1, "lane")]


def test_a_wrapped_model_is_otherwise_the_models_own():
    unet = tiny.stable_diffusion().unet
    wrapped = Asking(unet, Call.run)
    assert wrapped.config is unet.config
    assert wrapped.dtype == torch.float32
