"""Softening, on a model that answers with one given text."""

from collections.abc import Sequence

import pytest

from deployments.contracts import RewriteRequest
from deployments.llm import LanguageModelConfig
from deployments.rewriter.config import RewriterConfig
from deployments.rewriter.soften import Softener
from deployments.rewriter.template import RewriterTemplate
from tests.guard.parts import WordTokenizer


class OneAnswer:
    """Completes everything with the same text; remembers what it was asked."""

    def __init__(self, text: str | None, max_tokens: int = 400) -> None:
        self.text = text
        self.max_tokens = max_tokens
        self.limits: list[int] = []

    async def complete(
        self,
        ids: Sequence[int],
        max_tokens: int,
        *,
        temperature: float = 0.0,
        seed: int | None = None,
        stop_token_ids: Sequence[int] = (),
    ) -> str | None:
        assert stop_token_ids
        assert temperature == 0.0
        self.limits.append(max_tokens)
        return self.text


PROMPT = "a lazy dirty beggar sleeping on a bench in a park, oil painting"


async def soften(model: OneAnswer, prompt: str = PROMPT, kind: str = "soften"):
    config = RewriterConfig(llm=LanguageModelConfig(model="unused"))
    softener = Softener(model, RewriterTemplate(WordTokenizer()), config)
    return await softener.rewrite(RewriteRequest(prompt=prompt, kind=kind, category="demeaning"))


async def test_every_differing_passage_is_disclosed():
    after = "a tired man resting on a bench in a quiet park, oil painting"
    found = await soften(OneAnswer(f" {after}\n"))
    assert found.prompt == after
    assert [(c.before, c.after) for c in found.changes] == [
        ("lazy dirty beggar sleeping", "tired man resting"),
        ("", "quiet"),
    ]
    assert all(c.kind == "soften" and "demeaning" in c.why for c in found.changes)
    (record,) = found.stages
    assert (record.stage, record.action, record.category) == ("rewriter", "soften", "demeaning")


@pytest.mark.parametrize(
    "text",
    [None, "", "  ", "none", "None.", "two\nlines", PROMPT, PROMPT.replace(" ", "  ")],
)
async def test_an_answer_of_no_use_changes_nothing(text):
    found = await soften(OneAnswer(text))
    assert (found.prompt, found.changes) == (PROMPT, ())
    assert found.stages[0].action == "unchanged"


@pytest.mark.parametrize("kind", ["anonymise", "ground", "diversify", "generic"])
async def test_other_kinds_are_left_alone(kind):
    model = OneAnswer("something else")
    assert (await soften(model, kind=kind)).changes == ()
    assert not model.limits


async def test_a_prompt_longer_than_the_model_reads_is_not_asked():
    model = OneAnswer("a man")
    assert (await soften(model, "a beggar " * 200)).changes == ()
    assert not model.limits


async def test_the_answer_may_grow_with_the_prompt_only():
    model = OneAnswer("a man")
    await soften(model, "a beggar")
    await soften(model, "a beggar on a long bench")
    assert model.limits == [2 * 1.5 + 16, 6 * 1.5 + 16]
