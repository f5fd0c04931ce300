"""From a well-formed body to an order: defaults resolved, configured limits kept."""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from deployments.contracts import Contract, Picture
from deployments.errors import RequestError
from deployments.gateway.api.bodies import (
    EditsBody,
    ImagesBody,
    ModerationsBody,
    OutputFormat,
    PicturesBody,
    PreviewBody,
)
from deployments.gateway.config import EditSettings, GatewayConfig, Quality, dimensions
from deployments.gateway.uploads.pictures import UploadLimits, fitted, read_mask, read_picture
from deployments.gateway.walk.pipeline import ImageJob

MAX_SEED = 2**32 - 1


class ImageOrder(Contract):
    """What was asked for, resolved: the job for the walk, and how its pictures are handed over.

    `width` and `height` are what the client gets, in pixels; the job's own are what is denoised.
    `quality` is None where a neutral value was asked for.
    """

    job: ImageJob
    width: int
    height: int
    output_format: OutputFormat
    output_compression: int
    quality: Quality | None
    safety_identifier: str | None

    @property
    def size(self) -> str:
        """The size that the client gets, as the API writes it."""
        return f"{self.width}x{self.height}"


class GivenPictures(NamedTuple):
    """What an edit starts from, as large as it was uploaded: a picture, and where to paint."""

    image: Picture
    mask: Picture | None = None


def given_pictures(
    images: Sequence[bytes], mask: bytes | None, limits: UploadLimits
) -> GivenPictures:
    """Reads the untrusted files of an edit. Slow: for a thread.

    Raises:
        RequestError: there is not exactly one picture, or a file is not what it should be.
    """
    if not images:
        raise RequestError("'image' is required.", code="missing_required_parameter", param="image")
    if len(images) > 1:
        raise RequestError(
            f"{len(images)} pictures are given; this model edits one at a time.",
            code="unsupported_value",
            param="image",
        )
    image = read_picture(images[0], limits, "image")
    size = image.width, image.height
    return GivenPictures(image, read_mask(mask, limits, size) if mask is not None else None)


def image_order(body: ImagesBody, config: GatewayConfig, request_id: str) -> ImageOrder:
    """Resolves a body. A seed that is left out is drawn from the operating system.

    Raises:
        RequestError: the model is not served, or a value is outside of the configured limits.
    """
    _check_length("negative_prompt", body.negative_prompt, config.max_prompt_chars)
    order = _order(body, config, request_id)
    return _with(order, negative_prompt=body.negative_prompt)


def edit_order(
    body: EditsBody,
    given: GivenPictures,
    config: GatewayConfig,
    settings: EditSettings,
    request_id: str,
) -> ImageOrder:
    """Resolves an edit. Raises as `image_order` does.

    Within a mask the model paints as it does from text alone; by an instruction it has scales of
    its own.
    """
    order = _order(body, config, request_id)
    if given.mask is None and body.guidance_scale is None:
        order = _with(order, guidance_scale=settings.guidance_scale)
    return _with(
        order,
        image=fitted(given.image, order.job.width, order.job.height),
        mask=given.mask and fitted(given.mask, order.job.width, order.job.height, mask=True),
        image_guidance_scale=_image_guidance(body, given, settings),
    )


def edits_unsupported() -> RequestError:
    """The answer of a service that edits nothing."""
    return RequestError("Pictures cannot be edited here.", code="unsupported_edit", param="image")


def _image_guidance(body: EditsBody, given: GivenPictures, settings: EditSettings) -> float:
    faithful, asked = body.input_fidelity, body.image_guidance_scale
    if given.mask is not None and (faithful or asked is not None):
        raise RequestError(
            "Outside a mask nothing changes, within it all is new: it goes with neither "
            "'input_fidelity' nor 'image_guidance_scale'.",
            code="conflicting_parameters",
            param="input_fidelity" if faithful else "image_guidance_scale",
        )
    if faithful and asked is not None:
        raise RequestError(
            "'input_fidelity' sets 'image_guidance_scale': give one of them.",
            code="conflicting_parameters",
            param="image_guidance_scale",
        )
    if asked is not None:
        _check_range("image_guidance_scale", asked, 1.0, 10.0)
        return asked
    return settings.faithful_scale if faithful == "high" else settings.image_guidance_scale


def _with(order: ImageOrder, **changes: object) -> ImageOrder:
    return order.model_copy(update={"job": order.job.model_copy(update=changes)})


def _order(body: PicturesBody, config: GatewayConfig, request_id: str) -> ImageOrder:
    served_model(body.model, (config.model, *config.aliases))
    _check_length("prompt", body.prompt, config.max_prompt_chars)
    _check_range("n", body.n, 1, config.max_pictures)
    _check_compression(body)
    size = _size(body.size, config)
    width, height = dimensions(size)
    native_width, native_height = dimensions(config.resized_sizes.get(size, size))
    quality = _quality(body)
    return ImageOrder(
        job=ImageJob(
            request_id=request_id,
            prompt=body.prompt,
            n=body.n,
            seed=_seed(body.seed),
            steps=_steps(body.num_inference_steps, quality, config),
            guidance_scale=_guidance_scale(body.guidance_scale, config),
            width=native_width,
            height=native_height,
            loosen=body.moderation == "low",
            rewrite=body.rewrite == "on",
        ),
        width=width,
        height=height,
        output_format=body.output_format,
        output_compression=body.output_compression,
        quality=quality,
        safety_identifier=body.safety_identifier or body.user or None,
    )


def check_moderations(body: ModerationsBody, config: GatewayConfig) -> None:
    """Refuses too many inputs, and inputs that are too long. Raises RequestError."""
    if len(body.input) > config.max_moderation_inputs:
        raise RequestError(
            f"'input' has {len(body.input)} inputs; the limit is {config.max_moderation_inputs}.",
            code="array_above_max_length",
            param="input",
        )
    for one in body.input:
        _check_length("input", one.text, config.max_moderation_chars)
    if sum(len(one.pictures) for one in body.input) > config.max_moderation_pictures:
        raise RequestError(
            f"'input' has more pictures than {config.max_moderation_pictures}.",
            code="array_above_max_length",
            param="input",
        )


def check_preview(body: PreviewBody, config: GatewayConfig) -> None:
    """Refuses what a request for pictures would be refused for. Raises RequestError."""
    _check_length("prompt", body.prompt, config.max_prompt_chars)
    _check_range("n", body.n, 1, config.max_pictures)
    _check_range("seed", body.seed, 0, MAX_SEED)


def served_model(asked: str | None, served: tuple[str, ...]) -> str:
    """The model that is meant: the first one where none was asked for. Raises RequestError."""
    if asked is None:
        return served[0]
    if asked not in served:
        raise RequestError(
            f"The model does not exist here. Use one of {', '.join(served)}.",
            code="model_not_found",
            param="model",
        )
    return asked


def _check_length(param: str, text: str, limit: int) -> None:
    """`limit` counts characters, that is Unicode code points."""
    if len(text) > limit:
        raise RequestError(
            f"'{param}' has {len(text)} characters; the limit is {limit}.",
            code="string_above_max_length",
            param=param,
        )


def _check_range(param: str, number: float, low: float, high: float) -> None:
    if low <= number <= high:
        return
    kind = "integer" if isinstance(number, int) else "decimal"
    side = "below_min" if number < low else "above_max"
    raise RequestError(
        f"'{param}' must be {low} to {high}.", code=f"{kind}_{side}_value", param=param
    )


def _check_compression(body: PicturesBody) -> None:
    _check_range("output_compression", body.output_compression, 0, 100)
    if body.output_format == "png" and body.output_compression != 100:
        raise RequestError(
            "PNG is lossless: 'output_compression' below 100 needs output_format jpeg or webp.",
            code="unsupported_value",
            param="output_compression",
        )


def _size(asked: str, config: GatewayConfig) -> str:
    if asked == "auto":
        return config.native_sizes[0]
    if asked not in config.sizes:
        raise RequestError(
            f"'size' must be auto or one of {', '.join(config.sizes)}.",
            code="invalid_value",
            param="size",
        )
    return asked


def _seed(asked: int | None) -> int:
    if asked is None:
        return secrets.randbits(32)
    _check_range("seed", asked, 0, MAX_SEED)
    return asked


def _quality(body: PicturesBody) -> Quality | None:
    if body.quality == "auto" or body.quality == "standard":
        return None
    return "high" if body.quality == "hd" else body.quality  # hd is the old name of high


def _steps(asked: int | None, quality: Quality | None, config: GatewayConfig) -> int:
    if quality is not None:
        return _quality_steps(asked, quality, config)
    if asked is None:
        return config.default_steps
    _check_range("num_inference_steps", asked, 1, config.max_steps)
    return asked


def _quality_steps(asked: int | None, quality: Quality, config: GatewayConfig) -> int:
    if quality not in config.quality_steps:
        offered = ", ".join(("auto", "standard", *config.quality_steps))
        raise RequestError(
            f"'quality' must be one of {offered}.", code="unsupported_value", param="quality"
        )
    if asked is not None:
        raise RequestError(
            "'quality' sets the number of steps: give it or 'num_inference_steps', not both.",
            code="conflicting_parameters",
            param="num_inference_steps",
        )
    return config.quality_steps[quality]


def _guidance_scale(asked: float | None, config: GatewayConfig) -> float:
    if asked is None:
        return config.default_guidance_scale
    _check_range("guidance_scale", float(asked), 0.0, config.max_guidance_scale)
    return asked
