"""Every form in which a text becomes token ids: the form's name -> ids of its windows."""

import asyncio
from collections.abc import Callable, Mapping

from transformers import AutoTokenizer

from deployments import pictures
from deployments.classifier.prompt import PromptEncoder
from deployments.classifier.transformation.vision import VisionConfig, VisionScorer
from deployments.contracts import GuardRequest, Operation, PictureRequest
from deployments.errors import UnparsableAnswer
from deployments.guard.config import GuardConfig
from deployments.guard.language.adapters import adapter_for
from deployments.guard.language.question import GuardTemplate
from deployments.inference.embedded.language import base_model
from deployments.inference.embedded.resolve import cache_folder
from deployments.inference.language_model import LanguageModelConfig
from deployments.paths import ROOT
from deployments.policy import Policy, load_policy
from deployments.rewriter.revise.instruct import InstructTemplate, instructions
from deployments.rewriter.revise.template import RewriterTemplate
from tests.classifier import tiny, tiny_vision
from tests.guard.language.test_adapters import LLAMA, LLAMA_FIXED, QWEN
from tests.guard.language.test_adapters import tokenizer as small_tokenizer
from tests.guard.parts import POLICY as SMALL_POLICY
from tests.rewriter.revise.test_one_call import CHAT

Windows = list[list[int]]
DEFAULT_POLICY = load_policy(ROOT / "configs" / "policies" / "default.yaml")
PROMPT_WINDOW = 64
"""Tokens of a window of the shipped classifiers, special ones included."""


class Recorder:
    """A model with a tokenizer that gives no answer and keeps the questions."""

    max_tokens = 10**6

    def __init__(self, tokenizer) -> None:
        self.tokenizer = tokenizer
        self.questions: Windows = []

    async def complete(self, ids, max_tokens, **_) -> None:
        self.questions.append(list(ids))


def forms() -> Mapping[str, Callable[[str], Windows]]:
    """All forms; a form is a function of the text."""
    smol = AutoTokenizer.from_pretrained(base_model(cache_folder()))
    return (
        _guard_forms(smol)
        | _chat_guard_forms()
        | _rewriter_forms(smol)
        | {"classifier": PromptEncoder(PROMPT_WINDOW).windows, "vision": _vision_form()}
    )


def of_default_policy() -> dict[str, Windows]:
    """The guard's questions about nothing under the default policy, and its letters."""
    smol = AutoTokenizer.from_pretrained(base_model(cache_folder()))
    return {
        "guard generate": _guard(smol, DEFAULT_POLICY, "generate")(""),
        "guard edit": _guard(smol, DEFAULT_POLICY, "edit")(""),
        "letters": [list(GuardTemplate(smol, DEFAULT_POLICY).code_ids.values())],
    }


def _guard(smol, policy: Policy, operation: Operation) -> Callable[..., Windows]:
    config = GuardConfig(llm=LanguageModelConfig(model="unused"))
    adapter = adapter_for(Recorder(smol), policy, operation, config)
    return lambda prompt, negative="": adapter.windows(
        GuardRequest(prompt=prompt, negative_prompt=negative, operation=operation)
    )


def _guard_forms(smol) -> dict[str, Callable[[str], Windows]]:
    generate, edit = (_guard(smol, SMALL_POLICY, o) for o in ("generate", "edit"))
    whole = GuardTemplate(smol, SMALL_POLICY)
    verdicts = [whole.safe_id, whole.unsafe_id, *whole.with_unsafe([])]
    return {
        "guard generate": generate,
        "guard edit": edit,
        "guard negative": lambda text: generate("a bowl of oranges", text),
        "guard both": lambda text: generate(text, text),
        "guard whole": lambda text: [
            whole.encode(GuardRequest(prompt=text, negative_prompt="a dog")),
            verdicts,
        ],
    }


def _chat_guard_forms() -> dict[str, Callable[[str], Windows]]:
    def ask(form: str, template: str, operation: Operation) -> Callable[[str], Windows]:
        config = GuardConfig(
            llm=LanguageModelConfig(model="unused"), llm_format=form, window=64, overlap=16
        )
        model = Recorder(small_tokenizer(template))
        adapter = adapter_for(model, SMALL_POLICY, operation, config)
        return lambda text: [
            *adapter.windows(GuardRequest(prompt=text, operation=operation)),
            *adapter.windows(
                GuardRequest(prompt="a man", negative_prompt=text, operation=operation)
            ),
        ]

    return {
        "llama guard": ask("llama_guard", LLAMA, "generate"),
        "llama guard edit": ask("llama_guard", LLAMA, "edit"),
        "llama guard fixed": ask("llama_guard", LLAMA_FIXED, "generate"),
        "qwen3 guard": ask("qwen3_guard", QWEN, "generate"),
        "qwen3 guard edit": ask("qwen3_guard", QWEN, "edit"),
    }


def _rewriter_forms(smol) -> dict[str, Callable[[str], Windows]]:
    template = RewriterTemplate(smol)
    instruct = InstructTemplate(small_tokenizer(CHAT))
    told = instructions("soften", SMALL_POLICY.categories["demeaning"], ground=True, vague=True)
    return {
        "rewriter": lambda text: [template.encode(text, "demeaning")],
        "rewriter answer": lambda text: [template.plain(text), template.stop_ids],
        "rewriter instruct": lambda text: [instruct.encode(text, told), instruct.user(text)],
    }


def _vision_form() -> Callable[[str], Windows]:
    tokenizer = AutoTokenizer.from_pretrained(base_model(cache_folder()))
    tokenizer.add_special_tokens({"additional_special_tokens": tiny_vision.MARKS})
    tokenizer.chat_template = tiny_vision.TEMPLATE
    model = Recorder(tokenizer)
    kinds = {name: SMALL_POLICY.categories.get(name) for name in ("violence", "demeaning")}
    judge = VisionScorer(model, kinds, VisionConfig())
    picture = pictures.from_array(tiny.pixels(0, 8, 8))

    def ask(text: str) -> Windows:
        request = PictureRequest(prompt=text, input=picture, output=picture)
        try:
            asyncio.run(judge.scores(request))
        except UnparsableAnswer:  # the recorder has none
            return [model.questions.pop()]
        raise AssertionError("an answer that nobody gave was read")

    return ask
