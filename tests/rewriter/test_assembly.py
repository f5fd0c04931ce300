"""What a replica is made of: only what its policy needs, with one thread for the encoder."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from deployments.contracts import Rewrite, RewriteRequest
from deployments.errors import SafelightError
from deployments.inference.encoder import TokenEncoder, Window
from deployments.inference.language_model import LanguageModelConfig
from deployments.policy import Policy
from deployments.rewriter.assembly import anonymises, assembled
from deployments.rewriter.config import RewriterConfig
from tests.guard.parts import POLICY, WordTokenizer
from tests.rewriter.parts import OneAnswer, encoder

CONFIG = RewriterConfig(llm=LanguageModelConfig(model="unused"), names="embedded:names")
NO_TAGGER = CONFIG.model_copy(update={"names": "a folder that does not exist"})
PROMPTS = [
    f"{name}, a lazy dirty {role} in the park"
    for name in ("Anna Kowalska", "Piotr Nowak", "a man", "Priya Raman")
    for role in ("beggar", "tramp", "student", "guest at home")
]


class Watched(TokenEncoder):
    """MiniLM; remembers the threads on which it is used."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def encode(self, texts: Sequence[str]) -> list[Window]:
        self.threads.add(threading.get_ident())
        return super().encode(texts)


class Model(OneAnswer):
    tokenizer = WordTokenizer()


def policy(anonymise: bool, rewrite: str = "soften") -> Policy:
    document = POLICY.model_dump()
    document["manipulations"]["anonymise"] = anonymise
    document["categories"]["demeaning"]["rewrite"] = rewrite
    return Policy.model_validate(document)


@pytest.mark.slow
async def test_a_replica_uses_its_encoder_on_one_thread():
    watched = Watched()
    rewriter = assembled(Model("a tired man in the park"), watched, CONFIG, policy(anonymise=True))

    async def rewritten(prompt: str) -> Rewrite:
        kinds = ("anonymise", "soften")
        request = RewriteRequest(prompt=prompt, kinds=kinds, category="demeaning")
        return await rewriter.rewrite(request)

    together = await asyncio.gather(*map(rewritten, PROMPTS))
    assert len(watched.threads) == 1
    for prompt, found in list(zip(PROMPTS, together, strict=True))[::4]:
        assert (await rewritten(prompt)).pictures == found.pictures


@pytest.mark.parametrize(
    ("anonymise", "rewrite", "expected"),
    [(True, "soften", True), (False, "soften", False), (False, "anonymise", True)],
)
def test_a_policy_anonymises_by_itself_or_for_a_category(anonymise, rewrite, expected):
    assert anonymises(policy(anonymise, rewrite)) == expected


def test_only_a_policy_that_anonymises_needs_a_tagger():
    assembled(Model(None), encoder(), NO_TAGGER, policy(anonymise=False))
    with pytest.raises((SafelightError, OSError)):
        assembled(Model(None), encoder(), NO_TAGGER, policy(anonymise=True))
