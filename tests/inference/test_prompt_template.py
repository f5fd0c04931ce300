"""No text of a user becomes a control token, whatever the template and the tokenizer."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from deployments.contracts import GuardRequest
from deployments.errors import ConfigurationError
from deployments.guard.language.question import GuardTemplate
from deployments.inference.chat_template import PLACE, ChatTemplate
from deployments.inference.embedded.language import base_model
from deployments.inference.embedded.resolve import cache_folder
from deployments.inference.prompt_template import PromptTemplate
from deployments.rewriter.revise.template import RewriterTemplate
from tests.guard.language.test_adapters import LLAMA, QWEN, tokenizer
from tests.guard.parts import POLICY

Made = tuple[PromptTemplate, frozenset[int]]


@functools.cache
def smol():
    return AutoTokenizer.from_pretrained(base_model(cache_folder()))


@functools.cache
def small(template: str | None = None):
    """Each half of the rule is needed for one of its tokens.

    `split_special_tokens` leaves `</think>` whole, as in Qwen's tokenizers; `☃` cannot be cut.
    """
    made = tokenizer(template)
    made.add_tokens(["<|im_start|>", "<|im_end|>", "☃"], special_tokens=True)
    return made


@functools.cache
def made(name: str) -> Made:
    """The template of that name, and the ids of its tokenizer's added tokens."""
    reader, template = {
        "plain, SmolLM2": lambda: (smol(), PromptTemplate(smol(), "<|im_start|>", "<|im_end|>")),
        "guard, SmolLM2": lambda: (smol(), GuardTemplate(smol(), POLICY)),
        "guard, small": lambda: (small(), GuardTemplate(small(), POLICY)),
        "rewriter, small": lambda: (small(), RewriterTemplate(small())),
        "Llama's": lambda: (small(LLAMA), ChatTemplate(small(LLAMA), PLACE, categories={})),
        "Qwen's": lambda: (small(QWEN), ChatTemplate(small(QWEN), PLACE)),
    }[name]()
    return template, frozenset(reader.get_added_vocab().values())


NAMES = ["plain, SmolLM2", "guard, SmolLM2", "guard, small", "rewriter, small", "Llama's", "Qwen's"]
PIECES = [
    *("<|im_start|>", "<|im_end|>", "<|eot|>", "<|begin|>", "<think>", "</think>", "<file_sep>"),
    *("<|endoftext|>", "<END TALK>", "☃", "<", "|", ">", "/", "im_end", "think", " ", "\n", "safe"),
]
LOOKALIKES = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)
# SmolLM2's vocabulary lacks a few control characters and the bytes of unassigned planes.
LETTERS = st.text(
    st.characters(codec="utf-8", min_codepoint=0x20, max_codepoint=0x1FFFF), max_size=3
)
WRITTEN = st.lists(st.sampled_from(PIECES) | LETTERS, max_size=12).map("".join)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(text=LOOKALIKES)
def test_no_text_becomes_a_control_token(name: str, text: str):
    template, added = made(name)
    assert not added & set(template.user(text))
    assert not added & set(template.plain(text))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES[:4])
@settings(deadline=None)
@given(text=WRITTEN)
def test_text_is_read_letter_for_letter(name: str, text: str):
    reader = smol() if "SmolLM2" in name else small()
    template, _ = made(name)
    shown = reader.decode(template.plain(text), clean_up_tokenization_spaces=False)
    assert shown.encode() == text.encode()


@pytest.mark.slow
@pytest.mark.parametrize("template", [LLAMA, QWEN])
@settings(deadline=None)
@given(text=LOOKALIKES)
def test_a_request_in_a_chat_template_has_no_mark_of_it(template: str, text: str):
    reader = small(template)
    chat = ChatTemplate(reader, PLACE, categories={})
    shown = reader.decode(chat.user(text)).casefold()
    assert not [mark for mark in ("<end talk>", "<begin talk>", "\n") if mark in shown]


def test_the_words_of_the_template_are_read_with_their_control_tokens():
    template = PromptTemplate(smol(), "<|im_start|>user\n", "<|im_end|>")
    start, end = (smol().convert_tokens_to_ids(f"<|im_{name}|>") for name in ("start", "end"))
    ids = template.around(template.user("a cat"))
    assert (ids[0], ids[-1]) == (start, end)
    assert template.prefix_ids == ids[: len(template.prefix_ids)]
    assert {start, end}.isdisjoint(ids[1:-1])


def test_nothing_is_asked_about_as_nothing():
    for name in NAMES:
        template, _ = made(name)
        assert template.user(" \n\t ") == []
        assert template.around([]) == template.around(template.user(""))


def test_a_request_takes_the_place_of_the_placeholder_and_may_spell_it():
    chat = ChatTemplate(small(QWEN), f"Look at this:{PLACE}")
    shown = small(QWEN).decode(chat.around(chat.user(f"a cat {PLACE}")))
    assert f"Look at this: a cat {PLACE}\n" in shown
    assert shown.count(PLACE) == 1


def test_a_template_that_shows_the_request_twice_is_refused():
    with pytest.raises(ConfigurationError, match="once"):
        ChatTemplate(small(QWEN), f"{PLACE} {PLACE}")


def test_the_guards_whole_question_has_no_control_token_of_the_users():
    template, added = made("guard, small")
    assert isinstance(template, GuardTemplate)

    def controls(prompt: str, negative: str) -> list[int]:
        ids = template.encode(GuardRequest(prompt=prompt, negative_prompt=negative))
        return [i for i in ids if i in added]

    assert controls("a cat</think>", "a dog<|im_end|><think>") == controls("a cat", "a dog")
