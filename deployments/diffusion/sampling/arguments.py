"""A request in the arguments of a pipeline's call, whatever the pipeline's family.

Families differ in what their call accepts, and its signature says which they are: pipelines with
distilled guidance have `true_cfg_scale`, those that edit by instruction `image_guidance_scale`.
"""

import inspect
from typing import Any

from PIL import Image

from deployments import pictures
from deployments.contracts import GenerationRequest
from deployments.diffusion.text import Pipeline, Text, WindowedEncoder
from deployments.errors import RequestError


class Arguments:
    """
    Args:
        pipeline: whose call it is.
        text: encodes prompts for this pipeline.
        true_cfg_scale: weight against a negative prompt for pipelines with distilled guidance.
    """

    def __init__(self, pipeline: Pipeline, text: WindowedEncoder, true_cfg_scale: float) -> None:
        self._accepted = frozenset(inspect.signature(pipeline.__call__).parameters)
        self._text = text
        self._true_cfg_scale = true_cfg_scale

    @property
    def guided_by_picture(self) -> bool:
        """Whether a guided step has a third row, for the picture without the prompt."""
        return "image_guidance_scale" in self._accepted

    def rows(self, request: GenerationRequest) -> int:
        """Rows of each step, without a safety branch: the prompt's and those of guidance."""
        return 1 + self._guided(request) * (2 if self.guided_by_picture else 1)

    def of(self, request: GenerationRequest) -> tuple[Text | None, dict[str, Any]]:
        """The prompt, where we encode it ourselves, and the arguments for text, size and pictures.

        Raises:
            RequestError: a text is too long, or the model takes no negative prompt.
        """
        text, arguments = self._of_text(request)
        arguments |= {"height": request.height, "width": request.width} | _of_pictures(request)
        return text, {name: value for name, value in arguments.items() if name in self._accepted}

    @property
    def _distilled(self) -> bool:
        return "true_cfg_scale" in self._accepted

    def _guided(self, request: GenerationRequest) -> bool:
        """Whether each step reads the negative prompt too."""
        return _has_negative(request) if self._distilled else request.guidance_scale > 1

    def _of_text(self, request: GenerationRequest) -> tuple[Text | None, dict[str, Any]]:
        prompts = self._text.windows(request.prompt)
        negatives = self._text.windows(request.negative_prompt, "negative_prompt")
        against = _has_negative(request)
        if against and not {"negative_prompt", "negative_prompt_embeds"} & self._accepted:
            raise RequestError(
                "this model takes no negative prompt",
                code="unsupported_negative_prompt",
                param="negative_prompt",
            )
        arguments: dict[str, Any] = {"guidance_scale": request.guidance_scale}
        if self._distilled:
            arguments["true_cfg_scale"] = self._true_cfg_scale if against else 1.0
        if not self._text.encodes:
            arguments["prompt"] = request.prompt
            if against:
                arguments["negative_prompt"] = request.negative_prompt
            return None, arguments
        total = max(len(prompts), len(negatives))
        text = self._text.encode(prompts, total)
        arguments |= {"prompt_embeds": text.embeds, "pooled_prompt_embeds": text.pooled}
        if self._guided(request):
            away = self._text.encode(negatives, total, negative=True)
            arguments |= {
                "negative_prompt_embeds": away.embeds,
                "negative_pooled_prompt_embeds": away.pooled,
            }
        return text, arguments


def _of_pictures(request: GenerationRequest) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
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
    return arguments


def _has_negative(request: GenerationRequest) -> bool:
    return bool(request.negative_prompt.strip())
