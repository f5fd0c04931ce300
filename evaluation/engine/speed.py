"""How fast the guard's language model is on its vLLM engine, beside the engine asked directly.

The same questions about held-out users' prompts, one at a time and 32 at once: through the stage
(verdict, and the category where it is not clearly safe), and as bare one-token requests to vLLM's
`AsyncLLM`. Both see every prompt once before, so that neither pays for the other's prefix cache.
"""

import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from deployments.contracts import GuardRequest
from deployments.guard.language.adapters.safelight import SafelightAdapter
from evaluation.common.atonce import timed
from evaluation.common.guards import GuardMeasurement, prompts
from evaluation.common.intervals import Estimate, quantile, single
from evaluation.common.measurement import Declared, Row
from training.language import corpora

AT_ONCE = {"one at a time": 1, "32 at once": 32}
WAYS = ("vllm", "stage")


class Speed(GuardMeasurement):
    """Milliseconds and prompts per second of both."""

    name = "speed"
    question = "How much of vLLM's speed does the guard's language model stage keep?"
    minutes = 4
    needs = frozenset({"corpora"})
    shard = 4  # all in one run, on prompts that the prefix cache knows
    declared: ClassVar = {
        "p50/*": Declared("median time of a prompt, *", "ms"),
        "p99/*": Declared("99th percentile of a prompt's time, *", "ms"),
        "per_second/*": Declared("prompts per second, *"),
    }

    def items(self) -> Sequence[tuple[str, str]]:
        return [(way, name) for name in AT_ONCE for way in WAYS]

    async def start(self) -> None:
        assert self.options.corpora is not None
        await super().start()
        users = corpora.load(self.options.corpora).held_out_users
        texts = random.Random(self.options.seed).sample(users, self.options.of(200))
        self._requests = prompts(texts)

    async def measure(self, items: Sequence[tuple[str, str]]) -> list[Row]:
        stage = self._models.llm(self._policy)

        async def staged(request: GuardRequest) -> object:
            return await stage.score([request])

        ask = {"vllm": self._directly(), "stage": staged}
        await timed(staged, self._requests, 32)
        return [await timed(ask[way], self._requests, AT_ONCE[name]) for way, name in items]

    def _directly(self) -> Callable[[GuardRequest], Awaitable[object]]:
        from vllm import SamplingParams
        from vllm.inputs.engine import tokens_input

        adapter = SafelightAdapter(self._models.model, self._policy, self._models.config)
        params = SamplingParams(max_tokens=1, temperature=0.0, detokenize=False)
        engine: Any = self._models.model._engine  # what the stage is compared with

        async def directly(request: GuardRequest) -> None:
            for ids in adapter.windows(request):
                async for _ in engine.generate(tokens_input(ids), params, uuid.uuid4().hex):
                    pass

        return directly

    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        found = {}
        for (way, name), row in zip(self.items(), rows, strict=True):
            found[f"p50/{way}, {name}"] = quantile(row["ms"], 0.5)
            found[f"p99/{way}, {name}"] = quantile(row["ms"], 0.99)
            found[f"per_second/{way}, {name}"] = single(row["per_second"], len(row["ms"]))
        return found


MEASUREMENT = Speed
