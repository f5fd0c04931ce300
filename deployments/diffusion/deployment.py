"""The Ray Serve class of the diffusion service."""

from ray import serve

from deployments.contracts import Generation, GenerationRequest
from deployments.diffusion.config import DiffusionConfig
from deployments.diffusion.loading import load_sampler
from deployments.worker import Worker


@serve.deployment(name="diffusion")
class DiffusionDeployment:
    """Prompt in, unchecked picture out. Only the gateway's walk may release it."""

    def __init__(self, config: DiffusionConfig) -> None:
        self._sampler = load_sampler(config)
        self._worker = Worker("diffusion", config.max_queued, config.stall_seconds)

    async def generate(self, request: GenerationRequest) -> Generation:
        """Denoises one picture; stops within one denoiser call when the caller goes away."""
        return await self._worker.run(
            lambda job: self._sampler.sample(request, job), planned=request.steps
        )

    async def stats(self) -> dict[str, float | str]:
        """Which replica this is, its denoiser calls and jobs, and the longest prompt in tokens."""
        return {
            **self._worker.stats(),
            "max_prompt_tokens": self._sampler.text.max_tokens,
            "replica": serve.get_replica_context().replica_id.unique_id,
        }

    async def check_health(self) -> None:
        """Raises when the thread hangs."""
        self._worker.check_health()

    def __del__(self) -> None:
        if worker := getattr(self, "_worker", None):
            worker.close()
