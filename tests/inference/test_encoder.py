"""The one MiniLM encoder beside its slow twin, which reads one window at a time."""

import pytest
import torch
from transformers import BertModel, BertTokenizerFast

from deployments.classifier.prompt import PromptEncoder
from deployments.inference.embedded.diffusion import minilm
from deployments.inference.encoder import TokenEncoder
from training.diffusion.text import LENGTH, TextEncoder

SHORT = ["a lighthouse at dusk", "Ünïcode naïve 日本 😀", "[CLS] a [SEP] b [PAD]", "x"]
LONG = "a fisher unloads crates of silver herring while gulls circle the mast; " * 20


class Twin:
    """`transformers` itself: no batches, no windows, no padding but where it is asked for."""

    def __init__(self) -> None:
        self.tokenizer = BertTokenizerFast.from_pretrained(minilm())
        self.model = BertModel.from_pretrained(minilm()).eval()

    @torch.inference_mode()
    def states(self, ids: list[int]) -> torch.Tensor:
        """[T, D] of the ids with special tokens around them."""
        framed = [self.tokenizer.cls_token_id, *ids, self.tokenizer.sep_token_id]
        return self.model(torch.tensor([framed])).last_hidden_state[0]

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids


@pytest.fixture(scope="module")
def twin() -> Twin:
    return Twin()


@pytest.fixture(scope="module")
def encoder() -> TokenEncoder:
    return TokenEncoder(window=32, overlap=8, batch=3)


def near(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(found, expected, atol=1e-5)


def test_a_short_text_has_the_states_of_one_pass_without_the_special_tokens(encoder, twin):
    for text in SHORT:
        (window,) = encoder.encode([text])
        assert near(window.states, twin.states(twin.ids(text))[1:-1])


def test_states_do_not_depend_on_what_else_is_encoded(encoder):
    together = encoder.encode([*SHORT, LONG, *SHORT])
    for index, text in enumerate([*SHORT, LONG, *SHORT]):
        alone = encoder.encode([text])
        found = [window for window in together if window.text == index]
        assert len(found) == len(alone)
        for one, other in zip(found, alone, strict=True):
            assert near(one.states, other.states)
            assert one.offsets == other.offsets


def test_windows_of_a_long_text_overlap_and_are_each_encoded_alone(encoder, twin):
    ids, windows = twin.ids(LONG), encoder.encode([LONG])
    assert len(windows) > 5
    for number, window in enumerate(windows):
        start = number * (32 - 8)
        assert near(window.states, twin.states(ids[start : start + 32])[1:-1])
    assert (len(windows) - 1) * (32 - 8) + len(windows[-1].states) == len(ids)


def test_offsets_say_where_in_the_text_a_token_stands(encoder):
    text = f"{LONG}an Antarctic icebreaker"
    last = encoder.encode([text])[-1]
    words = [text[start:end] for start, end in last.offsets]
    assert "".join(words).endswith("anAntarcticicebreaker")
    assert len(words) == len(last.states)


def test_a_text_without_tokens_has_no_window_and_harms_no_neighbour(encoder):
    assert encoder.encode([]) == []
    assert encoder.encode(["", " \n"]) == []
    assert [window.text for window in encoder.encode(["", "a cat", " ", "a dog"])] == [1, 3]


def test_windows_of_ids_show_the_text_whole_with_special_tokens_around(encoder, twin):
    first, last = twin.tokenizer.cls_token_id, twin.tokenizer.sep_token_id
    assert encoder.windows("") == [[first, last]]
    windows = encoder.windows(LONG)
    assert all((w[0], w[-1]) == (first, last) and len(w) <= 32 + 2 for w in windows)
    assert [*windows[0][1:-1], *(i for w in windows[1:] for i in w[9:-1])] == twin.ids(LONG)


def test_windows_that_would_not_advance_are_refused():
    with pytest.raises(ValueError, match="windows of 8 items"):
        TokenEncoder(window=8, overlap=8).encode(["a cat"])


@pytest.mark.slow
def test_the_classifiers_read_each_token_of_a_prompt_once(twin):
    prompts = PromptEncoder(16)
    windows = prompts.windows(LONG)
    assert [i for window in windows for i in window[1:-1]] == twin.ids(LONG)
    assert max(map(len, windows)) == 16
    states, mask = prompts.states(windows)
    for window, row, seen in zip(windows, states, mask, strict=True):
        assert near(row[seen.bool()], twin.states(window[1:-1]))
        assert seen.tolist() == [1] * len(window) + [0] * (16 - len(window))


def test_captions_are_encoded_as_the_pipelines_tokenizer_pads_and_truncates_them(twin):
    captions = [*SHORT, LONG, ""]
    texts = TextEncoder()
    coded = twin.tokenizer(
        captions, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = twin.model(coded.input_ids, attention_mask=coded.attention_mask)
    assert near(texts(captions), expected.last_hidden_state)
    assert texts.lengths(captions) == coded.attention_mask.sum(dim=1).tolist()
