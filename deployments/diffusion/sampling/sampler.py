"""One generation: one call of an unmodified diffusers pipeline, watched and steered at every step.

Each generation has a shallow copy of the pipeline, with a deep copy of the scheduler (0.1 ms) and
with its models wrapped, so that their calls can run together with those of other generations.
Every diffusers pipeline calls `scheduler.step` once per denoising step, whatever its family: there
steering edits the model output before the real step.
No state carries over from one generation to the next.
"""

import copy
import time
from typing import Any

import torch

from deployments.contracts import Generation, GenerationRequest, Watch
from deployments.diffusion.config import Steering
from deployments.diffusion.engine.calls import Ask, AskingDecoder, Call
from deployments.diffusion.engine.schedule import Demand
from deployments.diffusion.sampling.arguments import Arguments
from deployments.diffusion.sampling.denoiser import Denoiser, denoiser_name
from deployments.diffusion.sampling.drawing import Drawing, outside_kept
from deployments.diffusion.sampling.step import Observe, StepHook
from deployments.diffusion.steering.prediction import check_steerable
from deployments.diffusion.steering.steerers import Head
from deployments.diffusion.steering.turning import SteererFactory, Turning
from deployments.diffusion.text import Pipeline, Text, WindowedEncoder
from deployments.errors import ConfigurationError, RequestError
from deployments.telemetry.clock import elapsed


class Sampler:
    """A pipeline and its steerers. All generations on one thread; many may be under way at once.

    Args:
        pipeline: any pipeline with a scheduler, from text to a picture, or from a picture too.
        steering: which steerers act on requests with `steer`.
        head: the noise-aware head; needed exactly when `steering.head` is set.
        true_cfg_scale: weight against a negative prompt for pipelines with distilled guidance.
        text: encodes prompts for this pipeline; None makes one for it.

    Raises:
        ConfigurationError: steering is configured and the pipeline or its scheduler cannot have it.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        steering: Steering | None = None,
        head: Head | None = None,
        true_cfg_scale: float = 4.0,
        text: WindowedEncoder | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.text = text or WindowedEncoder(pipeline)
        self._arguments = Arguments(pipeline, self.text, true_cfg_scale)
        self._steering, self._head = steering, head
        if steering is not None:
            self._check_steering(steering)
            self._steerers = SteererFactory(steering, head, self.text)

    @property
    def own_side(self) -> int:
        """Width and height in pixels of the pictures that the model was made for."""
        latent = getattr(self.pipeline, "default_sample_size", None)
        if latent is None:
            denoiser = getattr(self.pipeline, denoiser_name(self.pipeline) or "", None)
            latent = getattr(getattr(denoiser, "config", None), "sample_size", None) or 64
        return latent * getattr(self.pipeline, "vae_scale_factor", 8)

    @property
    def batches(self) -> bool:
        """Whether the pipeline has a denoiser that we know; else its steps run one by one."""
        return denoiser_name(self.pipeline) is not None

    def check_watch(self, watch: Watch) -> None:
        """Raises ConfigurationError unless the head knows every category of the watch."""
        known = self._head.categories if self._head else ()
        if unknown := sorted(set(watch.thresholds) - set(known)):
            raise ConfigurationError(
                f"the policy watches for {unknown}, which the head does not know: {list(known)}"
            )

    def sample(self, request: GenerationRequest) -> Generation:
        """Denoises one picture alone. Raises as `draw` does, and StageFailed for a broken one."""
        return self.draw(request, Call.run).developed()

    def demand(self, request: GenerationRequest) -> Demand:
        """What the request demands of the engine."""
        branch = request.steer and self._steering is not None and self._steering.concept is not None
        return Demand(
            lane=(request.width, request.height),
            rows=self._arguments.rows(request) + branch,
            steps=request.steps,
        )

    def draw(self, request: GenerationRequest, ask: Ask, observe: Observe | None = None) -> Drawing:
        """Denoises one picture. The same request gives the same picture, whatever else is drawn.

        Args:
            request: what to draw, with the pictures that the pipeline starts from.
            ask: has a model call run; may raise Cancelled, and then the generation ends there.
            observe: shown every step, after steering.

        Raises:
            Cancelled: raised by `ask`.
            RequestError: the prompt is too long, or the model cannot make what is asked.
        """
        started = time.perf_counter()
        self._check_size(request)
        text, arguments = self._arguments.of(request)
        pipeline, denoiser = self._own_pipeline(request, ask)
        turning = self._turning(request, text)
        hook = StepHook(denoiser, ask, turning, observe)
        pipeline.scheduler.step = hook.wrapped(pipeline.scheduler)
        images = pipeline(
            **arguments,
            num_inference_steps=request.steps,
            # On the CPU the same seed gives the same noise for every device.
            generator=torch.Generator("cpu").manual_seed(request.seed),
            output_type="np",
        ).images
        return Drawing(
            request=request,
            pixels=outside_kept(images[0], request),
            steps=hook.steps,
            row_steps=denoiser.rows if denoiser else hook.steps,
            turned_at_step=turning.turned_at if turning else None,
            turned_for=turning.turned_for if turning else None,
            score_before=turning.score_before if turning else None,
            prompt_tokens=self.text.tokens(request.prompt),
            latent_positions=hook.latent_positions,
            ms=elapsed(started),
        )

    def _own_pipeline(
        self, request: GenerationRequest, ask: Ask
    ) -> tuple[Pipeline, Denoiser | None]:
        """The pipeline for one generation, and its denoiser where it is one that we know."""
        lane = (request.width, request.height)
        pipeline = copy.copy(self.pipeline)
        own: dict[str, Any] = {"scheduler": copy.deepcopy(pipeline.scheduler)}
        name, denoiser = denoiser_name(pipeline), None
        if name is not None:
            model, prompt_first = getattr(pipeline, name), self._arguments.guided_by_picture
            denoiser = own[name] = Denoiser(model, ask, lane, prompt_first=prompt_first)
        if getattr(pipeline, "vae", None) is not None:
            own["vae"] = AskingDecoder(pipeline.vae, ask, lane)
        for name, part in own.items():
            object.__setattr__(pipeline, name, part)  # the pipeline's own would note the class
        return pipeline, denoiser

    def _turning(self, request: GenerationRequest, text: Text | None) -> Turning | None:
        if not request.steer and request.watch is None:
            return None
        # graph.py refuses policies that ask for what is not configured, `_check_steering` the rest.
        assert self._steering is not None
        assert text is not None
        return self._steerers.turning(request, text)

    def _check_steering(self, steering: Steering) -> None:
        if not (self.text.encodes and self.batches):
            unknown = "denoiser" if self.text.encodes else "text encoding"
            raise ConfigurationError(
                f"{type(self.pipeline).__name__} cannot be steered: its {unknown} is unknown; "
                "leave `steering` out"
            )
        if (steering.head is None) != (self._head is None):
            raise ConfigurationError("give the head exactly when `steering.head` is configured")
        check_steerable(self.pipeline.scheduler)

    def _check_size(self, request: GenerationRequest) -> None:
        multiple = getattr(self.pipeline, "vae_scale_factor", 1)
        if request.width % multiple or request.height % multiple:
            raise RequestError(
                f"width and height must be multiples of {multiple}, "
                f"got {request.width}x{request.height}",
                code="invalid_size",
                param="size",
            )
