"""The picture side of a configured service in this process: its sampler and its classifier.

What evaluation draws and judges goes through the very code and settings that serve, without Ray.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from deployments import pictures
from deployments.classifier.classifier import Classifier, load
from deployments.classifier.config import ClassifierConfig
from deployments.contracts import Generation, GenerationRequest, PictureRequest, PictureVerdict
from deployments.diffusion.config import DiffusionConfig
from deployments.diffusion.loading import load_sampler
from deployments.embedded.resolve import resolve
from deployments.policy import load_policy
from deployments.serve_config import read_serve_config
from deployments.worker import Job


@dataclass(frozen=True)
class Drawn:
    """A picture with its verdict; `pixels` is (height, width, 3) uint8."""

    generation: Generation
    verdict: PictureVerdict
    pixels: NDArray[np.uint8]


class Studio:
    """Draws and judges one picture at a time.

    Args:
        config: a Serve configuration file such as configs/miniature.yaml.
        threads: CPU threads, whatever the file says.
    """

    def __init__(self, config: Path, threads: int) -> None:
        arguments = read_serve_config(config)["applications"][0]["args"]
        self.policy = load_policy(resolve(arguments["policy"]))
        self._gateway = arguments["gateway"]
        self._sampler = load_sampler(DiffusionConfig.model_validate(arguments["diffusion"]))
        loaded = load(ClassifierConfig.model_validate(arguments["classifier"]))
        self._classifier = Classifier(loaded, self.policy.output.thresholds)
        torch.set_num_threads(threads)

    def draw(
        self, prompt: str, seed: int, strength: float = 0.0, category: str | None = None
    ) -> Drawn:
        """A picture at the service's default settings, steered where `strength` is above 0."""
        steps = self._gateway["default_steps"]
        width, _, height = self._gateway["native_sizes"][0].partition("x")
        request = GenerationRequest(
            request_id=f"evaluation-{seed}",
            prompt=prompt,
            seed=seed,
            steps=steps,
            guidance_scale=self._gateway["default_guidance_scale"],
            width=int(width),
            height=int(height),
            steer=strength > 0,
            strength=strength,
            category=category,
        )
        generation = self._sampler.sample(request, Job(planned=steps))
        order = PictureRequest(prompt=prompt, output=generation.picture)
        verdict = self._classifier.judge(order)
        return Drawn(generation, verdict, pictures.to_array(generation.picture))
