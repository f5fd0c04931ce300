"""How fast the guard's LLM stage is on its vLLM engine, beside the engine asked directly.

    python -m evaluation.prompts.speed --corpora FOLDER

The same questions about held-out users' prompts, one at a time and 32 at once: through the stage
(verdict, and the category where it is not clearly safe), and as bare one-token requests to vLLM's
`AsyncLLM`. Both see every prompt once before, so that neither pays for the other's prefix cache.
The last line is JSON.
"""

import argparse
import asyncio
import json
import os
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import numpy as np

from deployments.contracts import GuardRequest
from deployments.guard.calibration import Calibration
from deployments.guard.language.adapters.safelight import SafelightAdapter
from deployments.guard.language.stage import LLMStage
from deployments.inference.language_model import LanguageModel
from deployments.ops.policy.diff import ENVIRONMENT, read_guard
from deployments.policy import load_policy
from training.language import corpora

AT_ONCE = (1, 32)


async def timed(
    ask: Callable[[GuardRequest], Awaitable[object]], requests: Sequence[GuardRequest], at_once: int
) -> dict[str, float]:
    """Milliseconds of a request, p50 and p99, and requests per second."""
    turns, spans = asyncio.Semaphore(at_once), list[float]()

    async def one(request: GuardRequest) -> None:
        async with turns:
            started = time.perf_counter()
            await ask(request)
            spans.append((time.perf_counter() - started) * 1000)

    started = time.perf_counter()
    await asyncio.gather(*map(one, requests))
    elapsed = time.perf_counter() - started
    return {
        "p50_ms": round(float(np.quantile(spans, 0.5)), 1),
        "p99_ms": round(float(np.quantile(spans, 0.99)), 1),
        "per_second": round(len(requests) / elapsed, 2),
    }


async def measure(args: argparse.Namespace) -> dict[str, dict[str, dict[str, float]]]:
    from vllm import SamplingParams
    from vllm.inputs.engine import tokens_input

    config, environment = read_guard(args.config)
    os.environ.update(ENVIRONMENT | environment)  # as a replica has it
    policy = load_policy(args.policy)
    model = LanguageModel("guard", config.llm)
    try:
        stage = LLMStage(model, policy, config, Calibration.of_model(model.folder))
        adapter = SafelightAdapter(model, policy, config)
        params = SamplingParams(max_tokens=1, temperature=0.0, detokenize=False)

        async def directly(request: GuardRequest) -> None:
            for ids in adapter.windows(request):
                async for _ in model._engine.generate(tokens_input(ids), params, uuid.uuid4().hex):
                    pass

        async def staged(request: GuardRequest) -> object:
            return await stage.score([request])

        users = corpora.load(args.corpora).held_out_users
        texts = random.Random(0).sample(users, args.prompts)
        requests = [GuardRequest(prompt=text) for text in texts]
        await timed(staged, requests, 32)
        found: dict[str, dict[str, dict[str, float]]] = {"stage": {}, "vllm": {}}
        for at_once in AT_ONCE:
            for name, ask in (("vllm", directly), ("stage", staged)):
                found[name][str(at_once)] = await timed(ask, requests, at_once)
        return found
    finally:
        model.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--config", type=Path, default=Path("configs/miniature.yaml"))
    parser.add_argument("--policy", type=Path, default=Path("configs/policies/default.yaml"))
    parser.add_argument("--prompts", type=int, default=200)
    print(json.dumps(asyncio.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
