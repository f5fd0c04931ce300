import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deployments.diffusion.text import WindowedEncoder, mean_embedding
from deployments.errors import RequestError
from tests.diffusion import tiny

ROOM = tiny.WINDOW - 2  # [CLS] and [SEP] take two


@pytest.fixture(scope="module")
def encoder() -> WindowedEncoder:
    return WindowedEncoder(tiny.stable_diffusion())


def test_a_short_text_is_one_window_and_an_empty_one_too(encoder):
    assert encoder.windows("a dog in a park") == ["a dog in a park"]
    assert encoder.windows("") == [""]
    assert encoder.windows("  \n ") == [""]


def test_windows_are_cut_between_words_and_hold_every_word_in_order(encoder):
    words = [f"{colour} bird" for colour in ("red", "blue", "green")] * 8
    text = " ".join(words)
    windows = encoder.windows(text)
    assert len(windows) == 4
    assert " ".join(windows) == text


def test_the_longest_text_is_exactly_four_windows(encoder):
    assert encoder.max_tokens == 4 * ROOM
    assert len(encoder.windows("dog " * (4 * ROOM))) == 4
    with pytest.raises(RequestError, match=f"at most {4 * ROOM}") as refusal:
        encoder.windows("dog " * (4 * ROOM + 1), "negative_prompt")
    assert (refusal.value.code, refusal.value.param) == ("prompt_too_long", "negative_prompt")


def test_a_word_longer_than_a_window_is_cut_within_itself(encoder):
    word = "zq" * 20
    windows = encoder.windows(word)
    assert len(windows) > 1
    assert "".join(windows) == word


@pytest.mark.slow
@given(st.text(max_size=60))
def test_no_window_is_longer_than_the_tokenizer_reads(encoder, text):
    try:
        windows = encoder.windows(text)
    except RequestError:
        return
    assert all(encoder.tokens(window) <= ROOM for window in windows)


def test_a_text_in_one_window_is_encoded_as_the_pipeline_does_it():
    pipeline = tiny.stable_diffusion()
    theirs, _ = pipeline.encode_prompt("a dog in a park", pipeline.device, 1, False)
    ours = WindowedEncoder(pipeline).encode(["a dog in a park"], 1)
    assert torch.equal(ours.embeds, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("make", [tiny.stable_diffusion, tiny.stable_diffusion_3, tiny.flux])
def test_each_window_stands_where_it_would_stand_alone(make):
    encoder = WindowedEncoder(make())
    both = encoder.encode(["a dog", "a cat"], 2)
    dog, cat = encoder.encode(["a dog"], 1), encoder.encode(["a cat"], 1)
    assert torch.equal(both.embeds, torch.cat([dog.embeds, cat.embeds], dim=1))
    if both.pooled is not None:
        assert torch.allclose(both.pooled, (dog.pooled + cat.pooled) / 2)


def test_padding_windows_lengthen_the_text_without_changing_its_meaning(encoder):
    alone, padded = encoder.encode(["a dog"], 1), encoder.encode(["a dog"], 3)
    assert padded.embeds.shape[1] == 3 * alone.embeds.shape[1]
    assert torch.equal(padded.mean, alone.mean)


def test_the_mean_embedding_leaves_padding_out():
    embeds = torch.arange(12.0).reshape(2, 3, 2)
    mean = mean_embedding(embeds, [1, 2])
    assert torch.equal(mean, (embeds[0, :1].sum(0) + embeds[1, :2].sum(0))[None] / 3)
