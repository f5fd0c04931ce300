"""What a user reads of each change, and the audit log of each kind, is the policy's text."""

from typing import get_args

import pytest

from deployments.contracts import Rewrite, RewriteKind, RewriteRequest
from deployments.inference.language_model import LanguageModelConfig
from deployments.policy import Changes, Kinds, Policy
from deployments.rewriter.assembly import assembled
from deployments.rewriter.config import RewriterConfig
from deployments.rewriter.rewriter import PromptRewriter
from tests.guard.parts import POLICY, WordTokenizer
from tests.rewriter.parts import OneAnswer, encoder

CONFIG = RewriterConfig(llm=LanguageModelConfig(model="unused"), names="embedded:names")
DIVERSIFY = {"groups": {"asian": 1}, "genders": {"woman": 1}, "skin_tones": {"olive": 1}}
CHANGED: dict[str, tuple[RewriteKind, str, str]] = {
    "person": ("anonymise", "photo of Anna Kowalska in her bedroom", "own person"),
    "address": ("anonymise", "the red house at 12 Elm Street, night", "own address"),
    "email": ("anonymise", "a card with m.wojcik@poczta.example", "own email"),
    "phone": ("anonymise", "call (415) 555-0132 on a wall", "own phone"),
    "plate": ("anonymise", "a car with licence plate KA-MR 4471", "own plate"),
    "document": ("anonymise", "the passport number X1234567 on a desk", "own document"),
    "card": ("anonymise", "credit card 4111 1111 1111 1111", "own card"),
    "account": ("anonymise", "the IBAN DE89 3704 0044 0532 0130 00 on a wall", "own account"),
    "soften": ("soften", "a lazy beggar on a bench", "own soften: it demeans"),
    "generic": ("generic", "an acme beggar on a bench", "own generic: it demeans"),
    "ground": ("ground", "show two people having fun", "own ground"),
    "diversify": ("diversify", "image of a ceo", "own diversify: ceo"),
    "negative": ("diversify", "image of a criminal", "own negative: criminal"),
}
"""Reason -> a kind and a prompt that it changes, and what the user then reads."""


class Model(OneAnswer):
    tokenizer = WordTokenizer()


def own_words() -> Policy:
    """The test policy with words of its own for each reason."""
    document = POLICY.model_dump()
    filled = {"soften": ": {why}", "generic": ": {why}"} | dict.fromkeys(
        ("diversify", "negative"), ": {noun}"
    )
    document["reasons"]["changes"] = {
        name: f"own {name}{filled.get(name, '')}" for name in Changes.model_fields
    }
    document["reasons"]["kinds"] = {kind: f"own kind {kind}" for kind in Kinds.model_fields}
    document["manipulations"] |= {"diversify": DIVERSIFY, "min_similarity": 0.0}
    return Policy.model_validate(document)


@pytest.fixture(scope="module")
def rewriter() -> PromptRewriter:
    return assembled(Model("two tired men rest in a park"), encoder(), CONFIG, own_words())


async def rewritten(rewriter: PromptRewriter, kind: RewriteKind, prompt: str) -> Rewrite:
    return await rewriter.rewrite(
        RewriteRequest(prompt=prompt, kinds=(kind,), category="demeaning")
    )


@pytest.mark.slow
@pytest.mark.parametrize("reason", Changes.model_fields)
async def test_each_change_and_each_kind_is_told_in_the_policy_s_words(rewriter, reason):
    kind, prompt, told = CHANGED[reason]
    found = await rewritten(rewriter, kind, prompt)
    assert {(c.kind, c.why) for c in found.pictures[0].changes} == {(kind, told)}
    assert [(r.action, r.why) for r in found.stages] == [(kind, f"own kind {kind}")]


def test_every_kind_of_rewriting_has_a_reason():
    assert set(Kinds.model_fields) == set(get_args(RewriteKind))
