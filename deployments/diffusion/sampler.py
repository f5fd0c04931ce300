"""One generation: one call of an unmodified diffusers pipeline, watched and steered at every step.

Every diffusers pipeline calls `scheduler.step` once per denoising step, whatever its family. So
each generation gets its own deep copy of the scheduler (0.1 ms), with that one method wrapped:
there the job's flag is read, the call is counted, and steering edits the model output before the
real step.
No state carries over from one generation to the next.
"""

import copy
import functools
import inspect
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from deployments import pictures
from deployments.contracts import Generation, GenerationRequest, Picture
from deployments.diffusion.config import Steering
from deployments.diffusion.denoiser import Overheard, denoiser_of
from deployments.diffusion.prediction import Scheduler, affine, check_steerable
from deployments.diffusion.steering import (
    ConceptSteerer,
    HarmReader,
    Head,
    HeadSteerer,
    Moment,
    Steerer,
    Turning,
)
from deployments.diffusion.text import Pipeline, Text, TextReader
from deployments.errors import ConfigurationError, RequestError, StageFailed
from deployments.worker import Job


class Sampler:
    """A pipeline and its steerers. One generation at a time, always on the same thread.

    Args:
        pipeline: any text-to-image pipeline with a scheduler.
        steering: which steerers act on requests with `steer`.
        head: the noise-aware head; needed exactly when `steering.head` is set.
        true_cfg_scale: weight against a negative prompt for pipelines with distilled guidance.

    Raises:
        ConfigurationError: steering is configured and the pipeline or its scheduler cannot have it.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        steering: Steering | None = None,
        head: Head | None = None,
        true_cfg_scale: float = 4.0,
    ) -> None:
        self.text = TextReader(pipeline)
        self._pipeline = pipeline
        self._scheduler = pipeline.scheduler
        self._steering = steering
        self._head = head
        self._true_cfg_scale = true_cfg_scale
        self._accepted = inspect.signature(pipeline.__call__).parameters
        if steering is not None:
            self._check_steering(steering)

    def sample(self, request: GenerationRequest, job: Job) -> Generation:
        """Denoises one picture. The same request gives the same picture, whatever ran before.

        Args:
            request: what to draw.
            job: its flag is read and its calls are counted at every denoiser call.

        Raises:
            Cancelled: the job was called off; the denoiser ran at most once more.
            RequestError: the prompt is too long, or the model cannot make what is asked.
            StageFailed: steering is asked for and not configured, or the picture is broken.
        """
        started = time.perf_counter()
        self._check_size(request)
        prompts = self.text.windows(request.prompt)
        negatives = self.text.windows(request.negative_prompt, "negative_prompt")
        text, arguments = self._text_arguments(request, prompts, negatives)
        overheard = Overheard(denoiser_of(self._pipeline)) if request.steer else None
        step = _Step(job, self._turning(request, text, overheard), overheard)
        with self._watched(step), overheard.listening() if overheard else _nothing():
            images = self._pipeline(
                **arguments,
                num_inference_steps=request.steps,
                height=request.height,
                width=request.width,
                # On the CPU the same seed gives the same noise for every device.
                generator=torch.Generator("cpu").manual_seed(request.seed),
                output_type="np",
            ).images
        return Generation(
            picture=_picture(images[0], request),
            seed=request.seed,
            steps=step.calls,
            turned_at_step=step.turning.turned_at if step.turning else None,
            score_before=step.turning.score_before if step.turning else None,
            prompt_tokens=self.text.tokens(request.prompt),
            latent_positions=step.latent_positions,
            ms=(time.perf_counter() - started) * 1000,
        )

    def _text_arguments(
        self, request: GenerationRequest, prompts: list[str], negatives: list[str]
    ) -> tuple[Text | None, dict[str, Any]]:
        """The prompt, where we encode it, and the pipeline's arguments for text and scale."""
        distilled = "true_cfg_scale" in self._accepted
        against = bool(request.negative_prompt.strip())
        if against and not {"negative_prompt", "negative_prompt_embeds"} & set(self._accepted):
            raise RequestError(
                "this model takes no negative prompt",
                code="unsupported_negative_prompt",
                param="negative_prompt",
            )
        arguments: dict[str, Any] = {"guidance_scale": request.guidance_scale}
        if distilled:
            arguments["true_cfg_scale"] = self._true_cfg_scale if against else 1.0
        guided = against if distilled else request.guidance_scale > 1
        if self.text.encodes:
            total = max(len(prompts), len(negatives))
            text = self.text.encode(prompts, total)
            arguments |= {"prompt_embeds": text.embeds, "pooled_prompt_embeds": text.pooled}
            if guided:
                away = self.text.encode(negatives, total, negative=True)
                arguments |= {
                    "negative_prompt_embeds": away.embeds,
                    "negative_pooled_prompt_embeds": away.pooled,
                }
        else:
            text = None
            arguments["prompt"] = request.prompt
            if against:
                arguments["negative_prompt"] = request.negative_prompt
        return text, {name: arguments[name] for name in arguments if name in self._accepted}

    def _turning(
        self, request: GenerationRequest, text: Text | None, overheard: Overheard | None
    ) -> Turning | None:
        """The request's steerers: the concept branch first, then the head."""
        if overheard is None:
            return None
        if self._steering is None or text is None:
            raise StageFailed("diffusion", "steering is asked for and not configured")
        head, concept = self._steering.head, self._steering.concept
        reader = HarmReader(self._head, text.mean, request.category) if self._head else None
        steerers: list[Steerer] = []
        if concept is not None:
            words = concept.concepts.get(request.category or "", concept.fallback)
            shown = self._with_concept(request.prompt, words)
            steerers.append(
                ConceptSteerer(
                    functools.partial(overheard.asked_again, shown),
                    concept,
                    request.strength,
                    reader if head and head.gates else None,
                    head.target if head else 0.0,
                )
            )
        if head is not None and reader is not None:
            steerers.append(HeadSteerer(reader, head, request.strength))
        return Turning(tuple(steerers), reader)

    def _with_concept(self, prompt: str, words: str) -> Text:
        """Prompt and concept; a prompt without room left has the words in a window of their own."""
        try:
            windows = self.text.windows(f"{prompt}, {words}")
        except RequestError:
            windows = [*self.text.windows(prompt), words]
        return self.text.encode(windows, len(windows))

    @contextmanager
    def _watched(self, step: "_Step") -> Iterator[None]:
        """The pipeline with a scheduler of its own, whose steps are watched, within the block."""
        scheduler = copy.deepcopy(self._scheduler)
        scheduler.step = step.wrapped(scheduler)
        self._pipeline.scheduler = scheduler
        try:
            yield
        finally:
            self._pipeline.scheduler = self._scheduler

    def _check_steering(self, steering: Steering) -> None:
        if not self.text.encodes:
            raise ConfigurationError(
                f"{type(self._pipeline).__name__} cannot be steered: its text encoding is unknown; "
                "leave `steering` out"
            )
        if (steering.head is None) != (self._head is None):
            raise ConfigurationError("give the head exactly when `steering.head` is configured")
        check_steerable(self._scheduler)

    def _check_size(self, request: GenerationRequest) -> None:
        multiple = getattr(self._pipeline, "vae_scale_factor", 1)
        if request.width % multiple or request.height % multiple:
            raise RequestError(
                f"width and height must be multiples of {multiple}, "
                f"got {request.width}x{request.height}",
                code="invalid_size",
                param="size",
            )


class _Step:
    """What happens around each `scheduler.step` of one generation."""

    def __init__(self, job: Job, turning: Turning | None, overheard: Overheard | None) -> None:
        self.turning = turning
        self.calls = 0
        self.latent_positions = 0
        self._job = job
        self._overheard = overheard

    def wrapped(self, scheduler: Scheduler) -> Any:
        """The scheduler's `step` with the watch before it; pipelines still see its signature."""
        real = scheduler.step

        @functools.wraps(real)
        def step(
            model_output: torch.Tensor,
            timestep: torch.Tensor | float,
            sample: torch.Tensor,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            self._job.called()
            self.latent_positions = _positions(sample)
            if self.turning is not None:
                moment = Moment(
                    output=model_output,
                    sample=sample,
                    timestep=float(timestep),
                    affine=affine(scheduler, timestep),
                    progress=self.calls / len(scheduler.timesteps),
                )
                model_output = self.turning.turn(moment, self.calls)
            if self._overheard is not None:
                self._overheard.forget()
            self.calls += 1
            return real(model_output, timestep, sample, *args, **kwargs)

        return step


def _nothing() -> AbstractContextManager[None]:
    return nullcontext()


def _positions(latent: torch.Tensor) -> int:
    """Places in a latent: height x width of (B, C, H, W), length of packed (B, length, C)."""
    return latent[0, 0].numel() if latent.ndim >= 4 else latent.shape[1]


def _picture(pixels: np.ndarray, request: GenerationRequest) -> Picture:
    """Pixels in [0, 1], (H, W, 3), as a picture. Raises StageFailed for what is no picture."""
    if not np.isfinite(pixels).all():
        raise StageFailed("diffusion", "the picture has values that are no numbers; try float32")
    picture = pictures.from_array((pixels * 255).round().clip(0, 255).astype(np.uint8))
    if (picture.width, picture.height) != (request.width, request.height):
        raise StageFailed("diffusion", f"the model made {picture.width}x{picture.height}")
    return picture
