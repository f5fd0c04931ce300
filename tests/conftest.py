"""What test folders share: one language model on a real vLLM engine for the whole session."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from deployments.inference.language_model import LanguageModel

pytest_plugins = ["tests.programs", "pytester"]

ENGINE = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CONFIGURE_LOGGING": "0",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def guard_model() -> AsyncIterator["LanguageModel"]:
    """The embedded guard's model, running."""
    # Imported here: pytest-xdist's controller, which runs no test, reads this file too.
    from deployments.inference.language_model import LanguageModel, LanguageModelConfig

    with pytest.MonkeyPatch.context() as environment:
        for name, value in ENGINE.items():
            environment.setenv(name, value)
        model = LanguageModel("guard", LanguageModelConfig(model="embedded:guard"))
        yield model
        model.shutdown()


async def requests_open(model: "LanguageModel") -> int:
    """Waits until the engine has unfinished requests, and says how many."""
    async with asyncio.timeout(60):
        # vLLM counts its requests and has no event to wait for.
        while not (count := model._engine.get_num_unfinished_requests()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return count
