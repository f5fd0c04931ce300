"""The Ray Serve class of the diffusion service."""

import asyncio
from functools import partial

from ray import serve

from deployments.contracts import Generation, GenerationRequest, Watch
from deployments.diffusion.config import DiffusionConfig
from deployments.diffusion.loading import load_samplers, start_engine


@serve.deployment(name="diffusion")
class DiffusionDeployment:
    """Prompt in, unchecked picture out. Only the gateway's walk may release it."""

    def __init__(self, config: DiffusionConfig, watch: Watch | None = None) -> None:
        """`watch` is the policy's; it must fit the head."""
        self._samplers = load_samplers(config)
        if watch:
            self._samplers.check_watch(watch)
        self._engine = start_engine(self._samplers.text_to_image, config)

    async def check(self, request: GenerationRequest, n: int) -> None:
        """Lets `n` such pictures in. Raises Overloaded, with the time to come back."""
        self._engine.check(n * self._samplers.of(request).demand(request).row_steps)

    async def generate(self, request: GenerationRequest) -> Generation:
        """Denoises one picture; ends within one denoiser call when its caller is gone."""
        sampler = self._samplers.of(request)
        program = partial(sampler.draw, request)
        drawing = await self._engine.run(program, sampler.demand(request), let_in=request.let_in)
        return await asyncio.to_thread(drawing.developed)

    async def stats(self) -> dict[str, float | str]:
        """Which replica this is, its engine's counters, and the longest prompt in tokens."""
        return {
            **self._engine.stats(),
            "max_prompt_tokens": self._samplers.text_to_image.text.max_tokens,
            "replica": serve.get_replica_context().replica_id.unique_id,
        }

    async def check_health(self) -> None:
        """Raises when the engine's thread is dead or hangs."""
        self._engine.check_health()

    def __del__(self) -> None:
        if engine := getattr(self, "_engine", None):
            engine.close()
