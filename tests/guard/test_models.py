"""What a replica loads once, and every cascade shares."""

import threading
from contextlib import closing

from deployments.contracts import GuardRequest
from deployments.guard.config import GuardConfig
from deployments.guard.models import GuardModels
from deployments.inference.language_model import LanguageModelConfig
from tests.guard.parts import POLICY, TableModel


def embedding_threads() -> int:
    return sum(thread.name.startswith("embedding") for thread in threading.enumerate())


async def test_all_cascades_share_one_thread_which_ends_with_the_models():
    config = GuardConfig(llm=LanguageModelConfig(model="unused"))
    with closing(GuardModels(TableModel({}), config)) as models:
        cascades = [models.cascade(POLICY, "embedded:cnn") for _ in range(2)]
        cascades += [cascade.reworded(POLICY) for cascade in cascades]
        for cascade in cascades:
            await cascade.judge(GuardRequest(prompt="a red kite"))
        assert embedding_threads() == 1
    assert embedding_threads() == 0
