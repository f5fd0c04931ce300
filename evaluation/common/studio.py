"""The picture side of a configured service in this process: sampler, engine and classifier.

What evaluation draws and judges goes through the very code and settings that serve, without Ray.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from deployments import pictures
from deployments.classifier.classifier import Classifier
from deployments.classifier.config import ClassifierConfig
from deployments.classifier.loading import load_models
from deployments.contracts import (
    Generation,
    GenerationRequest,
    Picture,
    PictureRequest,
    PictureVerdict,
    Watch,
)
from deployments.diffusion.config import DiffusionConfig, Steering
from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.loading import load_samplers, start_engine
from deployments.gateway.walk.attempts import CLOSER
from deployments.inference.embedded.resolve import resolve
from deployments.ops.serve_config import read_serve_config
from deployments.policy import load_policy


@dataclass(frozen=True)
class Drawn:
    """A picture with its verdict; `pixels` is (height, width, 3) uint8."""

    generation: Generation
    verdict: PictureVerdict
    pixels: NDArray[np.uint8]


class Studio:
    """Draws and judges pictures, one at a time or many at once.

    Args:
        config: a Serve configuration file such as configs/miniature.yaml.
        threads: CPU threads, whatever the file says.
        steering: instead of the file's.
    """

    def __init__(self, config: Path, threads: int, steering: Steering | None = None) -> None:
        arguments = read_serve_config(config)["applications"][0]["args"]
        self.policy = load_policy(resolve(arguments["policy"]))
        self._gateway = arguments["gateway"]
        self._diffusion = DiffusionConfig.model_validate(arguments["diffusion"])
        if steering is not None:
            self._diffusion = self._diffusion.model_copy(update={"steering": steering})
        self.samplers = load_samplers(self._diffusion)
        self._engine: Engine | None = None
        models = load_models(ClassifierConfig.model_validate(arguments["classifier"]))
        self._classifier = Classifier(models, self.policy.output)
        torch.set_num_threads(threads)

    @property
    def steering(self) -> Steering:
        """The service's steerers."""
        assert self._diffusion.steering is not None
        return self._diffusion.steering

    def judge(self, request: PictureRequest) -> PictureVerdict:
        """The service's verdict on a picture, or on the edit that made it."""
        return self._classifier.judge(request)

    def draw(
        self, prompt: str, seed: int, strength: float = 0.0, category: str | None = None
    ) -> Drawn:
        """A picture at the service's default settings, steered where `strength` is above 0."""
        request = self.request(prompt, seed, strength, category)
        return self._judged(self.samplers.of(request).sample(request), prompt)

    def request(
        self,
        prompt: str,
        seed: int,
        strength: float = 0.0,
        category: str | None = None,
        watch: Watch | None = None,
    ) -> GenerationRequest:
        """A request at the service's default settings."""
        width, _, height = self._gateway["native_sizes"][0].partition("x")
        return GenerationRequest(
            request_id=f"evaluation-{seed}",
            prompt=prompt,
            seed=seed,
            steps=self._gateway["default_steps"],
            guidance_scale=self._gateway["default_guidance_scale"],
            width=int(width),
            height=int(height),
            steer=strength > 0,
            strength=strength,
            category=category,
            watch=watch,
        )

    def edit(
        self,
        instruction: str,
        given: Picture,
        seed: int,
        strength: float = 0.0,
        category: str | None = None,
        mended: int = 0,
    ) -> GenerationRequest:
        """An edit at the service's default settings, after it was mended so often."""
        edits = self._gateway["edits"]
        return self.request(instruction, seed, strength, category).model_copy(
            update={
                "image": given,
                "guidance_scale": edits["guidance_scale"],
                "image_guidance_scale": edits["image_guidance_scale"] + CLOSER * mended,
            }
        )

    async def draw_all(
        self, requests: Sequence[GenerationRequest], at_once: int, note: Callable[[], object]
    ) -> list[Drawn]:
        """The pictures of many requests through the engine, so many under way at a time.

        Args:
            note: called after each.
        """
        if self._engine is None:
            self._engine = start_engine(self.samplers.text_to_image, self._diffusion)
        engine, places = self._engine, asyncio.Semaphore(at_once)

        async def drawn(request: GenerationRequest) -> Drawn:
            async with places:
                sampler = self.samplers.of(request)
                program = partial(sampler.draw, request)
                drawing = await engine.run(program, sampler.demand(request), let_in=True)
            note()
            return self._judged(drawing.developed(), request.prompt)

        return await asyncio.gather(*map(drawn, requests))

    def _judged(self, generation: Generation, prompt: str) -> Drawn:
        verdict = self._classifier.judge(PictureRequest(prompt=prompt, output=generation.picture))
        return Drawn(generation, verdict, pictures.to_array(generation.picture))
