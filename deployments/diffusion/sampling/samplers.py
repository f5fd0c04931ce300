"""The samplers of a replica: one for each way to a picture, on shared models.

Text alone, a picture and an instruction, or a picture, a mask and a text: each is a pipeline of its
own. All run in one engine. Pipelines with the same model, such as text to image and painting within
a mask, share denoiser calls.
"""

import logging

from diffusers import AutoPipelineForInpainting, StableDiffusionPipeline

from deployments.contracts import GenerationRequest, Watch
from deployments.diffusion.config import Steering
from deployments.diffusion.sampling.sampler import Sampler
from deployments.diffusion.steering.steerers import Head
from deployments.diffusion.text import Pipeline, WindowedEncoder
from deployments.errors import RequestError

logger = logging.getLogger(__name__)


class Samplers:
    """Finds the sampler that draws a request.

    Args:
        text_to_image: the pipeline that draws from text alone; inpainting has the same models.
        edit: the pipeline that edits by instruction, or None.
        steering, head, true_cfg_scale: as for `Sampler`; the same for all samplers.

    Raises:
        ConfigurationError: steering is configured and a pipeline or its scheduler cannot have it.
    """

    def __init__(
        self,
        text_to_image: Pipeline,
        edit: Pipeline | None = None,
        steering: Steering | None = None,
        head: Head | None = None,
        true_cfg_scale: float = 4.0,
    ) -> None:
        own = (steering, head, true_cfg_scale)
        self.text_to_image = Sampler(text_to_image, *own)
        self._edit = Sampler(edit, *own, text=_encoder(edit)) if edit is not None else None
        inpaint = _inpainting(text_to_image)
        self._inpaint = Sampler(inpaint, *own, text=self.text_to_image.text) if inpaint else None

    def of(self, request: GenerationRequest) -> Sampler:
        """The sampler for a request. Raises RequestError if the model has none."""
        if request.image is None:
            return self.text_to_image
        sampler = self._inpaint if request.mask is not None else self._edit
        if sampler is None:
            how = "within a mask" if request.mask is not None else "by an instruction"
            raise RequestError(
                f"this model cannot change a picture {how}",
                code="unsupported_edit",
                param="mask" if request.mask is not None else "image",
            )
        return sampler

    def check_watch(self, watch: Watch) -> None:
        """Raises ConfigurationError unless the head knows every category of the watch."""
        self.text_to_image.check_watch(watch)


def _encoder(pipeline: Pipeline) -> WindowedEncoder:
    """Encodes as the pipeline does. InstructPix2Pix encodes as Stable Diffusion does, and has no
    method for it."""
    if hasattr(pipeline, "encode_prompt"):
        return WindowedEncoder(pipeline)
    shared = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
    parts = {name: pipeline.components[name] for name in shared}
    left_out = {"safety_checker": None, "feature_extractor": None}
    return WindowedEncoder(
        StableDiffusionPipeline(**parts, **left_out, requires_safety_checker=False)
    )


def _inpainting(pipeline: Pipeline) -> Pipeline | None:
    """The same models as a pipeline that paints within a mask; None where diffusers knows none."""
    try:
        made = AutoPipelineForInpainting.from_pipe(pipeline)
    except ValueError as error:
        logger.info("no painting within masks: %s", error)
        return None
    made.set_progress_bar_config(disable=True)
    return made
