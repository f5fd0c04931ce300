"""A language model on vLLM: a thin wrapper on AsyncLLM for all services that ask one.

It takes token ids and no text, so a template alone decides what is a control token. The engine runs
in a process of its own. When the caller of a request is cancelled, the engine aborts the request.
"""

import logging
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from deployments.configuration import Configuration
from deployments.errors import ConfigurationError, StageFailed, UnparsableAnswer
from deployments.inference.embedded.resolve import resolve
from deployments.lifeline import Lifeline

if TYPE_CHECKING:  # vLLM takes seconds to import, and the graph is built on machines without it
    from PIL import Image
    from vllm import RequestOutput, SamplingParams

logger = logging.getLogger(__name__)

RESTART_SECONDS = 10.0
"""Retry-After when the engine is dead or hangs. Serve then starts another replica, and an engine
takes at least that long to load."""


class LanguageModelConfig(Configuration):
    """Which model, and how vLLM runs it. Immutable; unknown keys are refused."""

    model: str = Field(min_length=1, description="embedded:NAME, a folder, or a hub id")
    max_model_len: int = Field(1024, ge=64, description="tokens of question and answer together")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "bfloat16"
    enforce_eager: bool = Field(True, description="no graph capture: starts faster, CPUs need it")
    block_size: int = Field(
        32, ge=1, description="tokens per block of the prefix cache, which keeps whole blocks only"
    )
    gpu_memory_utilization: float = Field(
        0.9,
        gt=0,
        le=1,
        description="share of the whole device; on a CPU VLLM_CPU_KVCACHE_SPACE (GiB) rules",
    )
    engine: dict[str, Any] = Field({}, description="further arguments of vLLM's AsyncEngineArgs")
    stall_seconds: float = Field(
        60.0, gt=0, description="open requests without progress for this long mean a hung engine"
    )


class LanguageModel:
    """A running engine and its tokenizer: a `protocols.CausalLM`.

    Attributes:
        folder: the resolved model, a folder or a hub id.
        tokenizer: the model's own, from `transformers`.
        max_tokens: the most tokens that a question and its answer may have together.
    """

    def __init__(self, stage: str, config: LanguageModelConfig) -> None:
        """Starts the engine; blocks until it is loaded (CPU: 15 to 60 s). Needs a running loop.

        Args:
            stage: the service's name, for errors.

        Raises:
            ConfigurationError: vLLM does not know an option, or cannot load the model.
        """
        self._stage = stage
        self._stall_seconds = config.stall_seconds
        self._open = 0
        self._progress = time.monotonic()
        self.folder = resolve(config.model)
        self.max_tokens = config.max_model_len
        self._lifeline = Lifeline()
        # One tracker serves all children of this process. Started before the engine, it does not
        # carry the engine's mark and does not end with it.
        resource_tracker.ensure_running()
        try:
            with self._lifeline.marking():
                self._engine: Any = _start(self.folder, config)
        except Exception as error:
            self._lifeline.cut()
            raise ConfigurationError(f"vLLM cannot serve {self.folder!r}: {error}") from error
        self.tokenizer = self._engine.get_tokenizer()

    async def next_token_logprobs(
        self, ids: Sequence[int], token_ids: Sequence[int]
    ) -> dict[int, float]:
        """Log-probability of each of `token_ids` as the token after `ids`, in one forward pass.

        Raises:
            UnparsableAnswer: the engine gave none for one of them.
            StageFailed: the engine is dead or cannot answer.
        """
        from vllm import SamplingParams

        params = SamplingParams(
            max_tokens=1, temperature=0.0, logprob_token_ids=list(token_ids), detokenize=False
        )
        output = await self._answer(ids, params)
        rows = output.outputs[0].logprobs
        found = {token: entry.logprob for token, entry in rows[0].items()} if rows else {}
        missing = [token for token in token_ids if token not in found]
        if missing:
            raise UnparsableAnswer(self._stage, f"the model gave no probability of {missing}")
        return {token: found[token] for token in token_ids}

    async def complete(
        self,
        ids: Sequence[int],
        max_tokens: int,
        *,
        temperature: float = 0.0,
        seed: int | None = None,
        stop_token_ids: Sequence[int] = (),
        schema: Mapping[str, Any] | None = None,
        images: Sequence["Image.Image"] = (),
    ) -> str | None:
        """The text that follows `ids`, without its stop token; None if `max_tokens` cut it off.

        Args:
            temperature: 0 is greedy; the seed then has no effect.
            schema: JSON schema that a whole answer obeys. The first answer under a schema waits
                about a second for its grammar.
            images: the pictures of the picture tokens among `ids`, in order.

        Raises:
            StageFailed: the engine is dead or cannot answer.
        """
        from vllm.sampling_params import SamplingParams, StructuredOutputsParams

        params = SamplingParams(
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            stop_token_ids=list(stop_token_ids),
            structured_outputs=StructuredOutputsParams(json=dict(schema)) if schema else None,
        )
        answer = (await self._answer(ids, params, images)).outputs[0]
        return answer.text if answer.finish_reason == "stop" else None

    async def check_health(self) -> None:
        """Raises StageFailed when the engine is dead, or hangs over open requests."""
        try:
            await self._engine.check_health()
        except Exception as error:
            raise StageFailed(self._stage, "its engine is dead", RESTART_SECONDS) from error
        idle = time.monotonic() - self._progress
        if self._open and idle > self._stall_seconds:
            raise StageFailed(self._stage, f"no progress for {idle:.0f} s", RESTART_SECONDS)

    def shutdown(self) -> None:
        """Ends the engine and its processes. A second call does nothing."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.shutdown()
        self._lifeline.cut()

    async def _answer(
        self,
        ids: Sequence[int],
        params: "SamplingParams",
        images: Sequence["Image.Image"] = (),
    ) -> "RequestOutput":
        answer = None
        async with self._tracked():
            question = await self._question(ids, images)
            async for so_far in self._engine.generate(question, params, uuid.uuid4().hex):
                self._progress = time.monotonic()
                answer = so_far
        if answer is None or not answer.finished:
            raise StageFailed(self._stage, "its engine ended without an answer")
        return answer

    async def _question(self, ids: Sequence[int], images: Sequence["Image.Image"]) -> Any:
        from vllm.inputs import TokensPrompt
        from vllm.inputs.engine import tokens_input

        if not images:
            return tokens_input(list(ids))
        seen = TokensPrompt(prompt_token_ids=list(ids), multi_modal_data={"image": list(images)})
        (question,) = await self._engine.renderer.render_cmpl_async([seen])
        return question

    @asynccontextmanager
    async def _tracked(self) -> AsyncIterator[None]:
        if not self._open:
            self._progress = time.monotonic()
        self._open += 1
        try:
            yield
        except Exception as error:
            # A library's message may quote the prompt. It goes to the log, not to the caller.
            logger.exception("%s: the engine failed", self._stage)
            raise StageFailed(self._stage, f"its engine raised {type(error).__name__}") from error
        finally:
            self._open -= 1


def _start(folder: str, config: LanguageModelConfig) -> Any:
    from vllm import AsyncEngineArgs
    from vllm.config import StructuredOutputsConfig
    from vllm.v1.engine.async_llm import AsyncLLM

    # A schema that allows blanks between its parts lets a model write blanks until it is cut off.
    compact = StructuredOutputsConfig(backend="xgrammar", disable_any_whitespace=True)
    return AsyncLLM.from_engine_args(
        AsyncEngineArgs(
            model=folder,
            max_model_len=config.max_model_len,
            dtype=config.dtype,
            enforce_eager=config.enforce_eager,
            block_size=config.block_size,
            gpu_memory_utilization=config.gpu_memory_utilization,
            enable_prefix_caching=True,
            disable_log_stats=True,
            **({"structured_outputs_config": compact} | config.engine),
        )
    )
