"""One generation: one call of an unmodified diffusers pipeline, watched and steered at every step.

Each generation has a shallow copy of the pipeline, with a deep copy of the scheduler (0.1 ms) and
with its models wrapped, so that their calls can run together with those of other generations.
Every diffusers pipeline calls `scheduler.step` once per denoising step, whatever its family: there
steering edits the model output before the real step.
No state carries over from one generation to the next.
"""

import copy
import functools
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image

from deployments import pictures
from deployments.contracts import Generation, GenerationRequest, Picture, Watch
from deployments.diffusion.config import Steering
from deployments.diffusion.engine.calls import Ask, AskingDecoder, Call
from deployments.diffusion.engine.schedule import Order
from deployments.diffusion.sampling.denoiser import Denoiser, denoiser_name
from deployments.diffusion.sampling.text import Pipeline, Text, TextReader
from deployments.diffusion.steering.history import forget_history
from deployments.diffusion.steering.prediction import Scheduler, affine, check_steerable
from deployments.diffusion.steering.steerers import (
    ConceptSteerer,
    HarmReader,
    Head,
    HeadSteerer,
    Moment,
    Steerer,
    Turning,
)
from deployments.diffusion.steering.watch import Flag, Watcher
from deployments.errors import ConfigurationError, RequestError, StageFailed

Observe: TypeAlias = Callable[[Moment], None]
"""Shown each step of a trajectory as the scheduler gets it."""
Turn: TypeAlias = Callable[[Flag], Turning]
"""The steering for what a check has flagged."""


@dataclass(frozen=True)
class Drawing:
    """A generation whose picture is not encoded yet; `pixels` is (H, W, 3) float in [0, 1]."""

    request: GenerationRequest
    pixels: np.ndarray
    steps: int
    row_steps: int
    turned_at_step: int | None
    turned_for: str | None
    score_before: float | None
    prompt_tokens: int
    latent_positions: int
    ms: float

    def developed(self) -> Generation:
        """The generation. Raises StageFailed if the pixels are no picture."""
        return Generation(
            picture=_picture(self.pixels, self.request),
            seed=self.request.seed,
            steps=self.steps,
            row_steps=self.row_steps,
            turned_at_step=self.turned_at_step,
            turned_for=self.turned_for,
            score_before=self.score_before,
            prompt_tokens=self.prompt_tokens,
            latent_positions=self.latent_positions,
            ms=self.ms,
        )


class Sampler:
    """A pipeline and its steerers. All generations on one thread; many may be under way at once.

    Args:
        pipeline: any pipeline with a scheduler, from text to a picture, or from a picture too.
        steering: which steerers act on requests with `steer`.
        head: the noise-aware head; needed exactly when `steering.head` is set.
        true_cfg_scale: weight against a negative prompt for pipelines with distilled guidance.
        text: reads prompts for this pipeline; None makes one of it.

    Raises:
        ConfigurationError: steering is configured and the pipeline or its scheduler cannot have it.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        steering: Steering | None = None,
        head: Head | None = None,
        true_cfg_scale: float = 4.0,
        text: TextReader | None = None,
    ) -> None:
        self.text = text or TextReader(pipeline)
        self.pipeline = pipeline
        self._scheduler = pipeline.scheduler
        self._steering = steering
        self._head = head
        self._true_cfg_scale = true_cfg_scale
        self._accepted = inspect.signature(pipeline.__call__).parameters
        if steering is not None:
            self._check_steering(steering)

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

    def order(self, request: GenerationRequest) -> Order:
        """What the engine's schedule needs to know."""
        guided = self._guided(request) * (2 if self._guided_by_picture else 1)
        branch = request.steer and self._steering is not None and self._steering.concept is not None
        return Order(
            lane=(request.width, request.height),
            rows=1 + guided + branch,
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
        prompts = self.text.windows(request.prompt)
        negatives = self.text.windows(request.negative_prompt, "negative_prompt")
        text, arguments = self._text_arguments(request, prompts, negatives)
        pipeline, denoiser = self._own_pipeline(request, ask)
        step = _Step(denoiser, ask, *self._steering_of(request, text, denoiser), observe)
        pipeline.scheduler.step = step.wrapped(pipeline.scheduler)
        images = pipeline(
            **arguments,
            **self._picture_arguments(request),
            num_inference_steps=request.steps,
            # On the CPU the same seed gives the same noise for every device.
            generator=torch.Generator("cpu").manual_seed(request.seed),
            output_type="np",
        ).images
        return Drawing(
            request=request,
            pixels=_outside_kept(images[0], request),
            steps=step.calls,
            row_steps=denoiser.rows if denoiser else step.calls,
            turned_at_step=step.turning.turned_at if step.turning else None,
            turned_for=step.turned_for,
            score_before=step.turning.score_before if step.turning else None,
            prompt_tokens=self.text.tokens(request.prompt),
            latent_positions=step.latent_positions,
            ms=(time.perf_counter() - started) * 1000,
        )

    def _own_pipeline(
        self, request: GenerationRequest, ask: Ask
    ) -> tuple[Pipeline, Denoiser | None]:
        """The pipeline for one generation, and its denoiser where it is one that we know."""
        lane = (request.width, request.height)
        pipeline = copy.copy(self.pipeline)
        own: dict[str, Any] = {"scheduler": copy.deepcopy(self._scheduler)}
        name, denoiser = denoiser_name(pipeline), None
        if name is not None:
            denoiser = own[name] = Denoiser(
                getattr(pipeline, name), ask, lane, prompt_first=self._guided_by_picture
            )
        if getattr(pipeline, "vae", None) is not None:
            own["vae"] = AskingDecoder(pipeline.vae, ask, lane)
        for name, part in own.items():
            object.__setattr__(pipeline, name, part)  # the pipeline's own would note the class
        return pipeline, denoiser

    @property
    def _guided_by_picture(self) -> bool:
        """Whether a guided step has a third row, for the picture without the prompt."""
        return "image_guidance_scale" in self._accepted

    def _picture_arguments(self, request: GenerationRequest) -> dict[str, Any]:
        """The pipeline's arguments for size and pictures."""
        arguments: dict[str, Any] = {"height": request.height, "width": request.width}
        if request.image is not None:
            arguments |= {
                "image": Image.fromarray(pictures.to_array(request.image)),
                "image_guidance_scale": request.image_guidance_scale,
            }
        if request.mask is not None:
            arguments |= {
                "mask_image": Image.fromarray(pictures.to_array(request.mask)).convert("L"),
                "strength": 1.0,  # what is within the mask is drawn from noise alone
            }
        return {name: value for name, value in arguments.items() if name in self._accepted}

    def _guided(self, request: GenerationRequest) -> bool:
        """Whether each step reads the negative prompt too."""
        if "true_cfg_scale" in self._accepted:
            return bool(request.negative_prompt.strip())
        return request.guidance_scale > 1

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
        if self.text.encodes:
            total = max(len(prompts), len(negatives))
            text = self.text.encode(prompts, total)
            arguments |= {"prompt_embeds": text.embeds, "pooled_prompt_embeds": text.pooled}
            if self._guided(request):
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

    def _steering_of(
        self, request: GenerationRequest, text: Text | None, denoiser: Denoiser | None
    ) -> tuple[Watcher | None, Turn | None, Turning | None]:
        """A watch and what turns what it flags, or steering from the first step, or nothing."""
        if not request.steer and request.watch is None:
            return None, None, None
        # graph.py refuses policies that ask for what is not configured, `_check_steering` the rest.
        assert self._steering is not None
        assert text is not None
        assert denoiser is not None
        turn = functools.partial(self._turning, request.prompt, text, denoiser)
        if request.steer:
            return None, None, turn(request.category, request.strength)
        assert request.watch is not None
        assert self._head is not None
        watcher = Watcher(self._head, text.mean, request.watch)
        strength = request.watch.strength
        return watcher, lambda flag: turn(flag.category, strength), None

    def _turning(
        self, prompt: str, text: Text, denoiser: Denoiser, category: str | None, strength: float
    ) -> Turning:
        """The request's steerers: the concept branch first, then the head."""
        assert self._steering is not None
        head, concept = self._steering.head, self._steering.concept
        reader = HarmReader(self._head, text.mean, category) if self._head else None
        steerers: list[Steerer] = []
        if concept is not None:
            words = concept.concepts.get(category or "", concept.fallback)
            steerers.append(
                ConceptSteerer(
                    denoiser,
                    self._with_concept(prompt, words),
                    concept,
                    strength,
                    reader if head and head.gates else None,
                    head.target if head else 0.0,
                )
            )
        if head is not None and reader is not None:
            steerers.append(HeadSteerer(reader, head, strength))
        return Turning(tuple(steerers), reader)

    def _with_concept(self, prompt: str, words: str) -> Text:
        """Prompt and concept; a prompt without room left has the words in a window of their own."""
        try:
            windows = self.text.windows(f"{prompt}, {words}")
        except RequestError:
            windows = [*self.text.windows(prompt), words]
        return self.text.encode(windows, len(windows))

    def _check_steering(self, steering: Steering) -> None:
        if not (self.text.encodes and self.batches):
            unknown = "denoiser" if self.text.encodes else "text encoding"
            raise ConfigurationError(
                f"{type(self.pipeline).__name__} cannot be steered: its {unknown} is unknown; "
                "leave `steering` out"
            )
        if (steering.head is None) != (self._head is None):
            raise ConfigurationError("give the head exactly when `steering.head` is configured")
        check_steerable(self._scheduler)

    def _check_size(self, request: GenerationRequest) -> None:
        multiple = getattr(self.pipeline, "vae_scale_factor", 1)
        if request.width % multiple or request.height % multiple:
            raise RequestError(
                f"width and height must be multiples of {multiple}, "
                f"got {request.width}x{request.height}",
                code="invalid_size",
                param="size",
            )


class _Step:
    """What happens around each `scheduler.step` of one generation.

    Args:
        watcher: checks the trajectory while it is not steered.
        turn: the steering for what the watcher flags.
        turning: the steering, where it is on from the first step.
        observe: shown every step, after steering.
    """

    def __init__(
        self,
        denoiser: Denoiser | None,
        ask: Ask,
        watcher: Watcher | None,
        turn: Turn | None,
        turning: Turning | None,
        observe: Observe | None,
    ) -> None:
        self.turning = turning
        self.turned_for: str | None = None
        self.calls = 0
        self.latent_positions = 0
        self._denoiser, self._ask = denoiser, ask
        self._watcher, self._turn, self._observe = watcher, turn, observe
        if turning is not None:
            turning.prepare(0.0)

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
            if self._denoiser is None:
                self._ask(_pause())  # no call of this pipeline is ours: others have a turn here
            self.latent_positions = _positions(sample)
            if self.turning or self._watcher or self._observe:
                moment = Moment(
                    output=model_output,
                    sample=sample,
                    timestep=float(timestep),
                    affine=affine(scheduler, timestep),
                    progress=self.calls / len(scheduler.timesteps),
                )
                model_output = self._turned(moment, scheduler)
                if self._observe:
                    self._observe(replace(moment, output=model_output))
            self.calls += 1
            if self._denoiser is not None:
                self._denoiser.next_step()
            if self.turning is not None:
                self.turning.prepare(self.calls / len(scheduler.timesteps))
            return real(model_output, timestep, sample, *args, **kwargs)

        return step

    def _turned(self, moment: Moment, scheduler: Scheduler) -> torch.Tensor:
        if self.turning is None:
            if self._watcher is None or self._turn is None:
                return moment.output
            if (flag := self._watcher.check(moment)) is None:
                return moment.output
            self.turning, self.turned_for = self._turn(flag), flag.category
        output, began = self.turning.turn(moment, self.calls)
        if began and self.calls:
            forget_history(scheduler)
        return output


def _pause() -> Call:
    """A step that the pipeline has made by itself; only lets others have their turn."""
    return Call(lambda: None, (), {}, 1)


def _outside_kept(pixels: np.ndarray, request: GenerationRequest) -> np.ndarray:
    """The picture with what lies outside the mask as it was, to the last bit.

    The autoencoder's error alone would change all of it.
    """
    if request.image is None or request.mask is None:
        return pixels
    inside = pictures.to_array(request.mask)[:, :, :1] >= 128
    return np.where(inside, pixels, pictures.to_array(request.image) / 255.0)


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
