"""From a well-formed body to a job and its delivery: defaults resolved, configured limits kept."""

import secrets

from deployments.contracts import MAX_IMAGE_GUIDANCE
from deployments.errors import RequestError
from deployments.gateway.api.bodies import (
    EditsBody,
    ImagesBody,
    ModerationsBody,
    PicturesBody,
    PreviewBody,
)
from deployments.gateway.api.delivery import Delivery
from deployments.gateway.api.edit_forms import EditForm
from deployments.gateway.config import EditSettings, GatewayConfig, Quality, dimensions
from deployments.gateway.uploads.decode import fitted, read_mask, read_picture
from deployments.gateway.uploads.limits import UploadLimits
from deployments.gateway.walk.jobs import ImageJob, PromptJob

MAX_SEED = 2**32 - 1


def image_job(body: ImagesBody, config: GatewayConfig, request_id: str) -> ImageJob:
    """The job of a body. A seed that is left out is drawn from the operating system.

    Raises:
        RequestError: the model is not served, or a value is outside of the configured limits.
    """
    _check_length("negative_prompt", body.negative_prompt, config.max_prompt_chars)
    return _job(body, config, request_id).model_copy(
        update={"negative_prompt": body.negative_prompt}
    )


def edit_job(
    form: EditForm, body: EditsBody, config: GatewayConfig, settings: EditSettings, request_id: str
) -> ImageJob:
    """The job of an edit, still without its pictures. Raises as `image_job` does.

    Within a mask the model paints as it does from text alone; by an instruction it has scales of
    its own.
    """
    _check_pictures(form)
    job = _job(body, config, request_id)
    masked = form.mask is not None
    scales = {"image_guidance_scale": _image_guidance(body, masked, settings)}
    if not masked and body.guidance_scale is None:
        scales["guidance_scale"] = settings.guidance_scale
    return job.model_copy(update=scales)


def with_pictures(job: ImageJob, form: EditForm, limits: UploadLimits) -> ImageJob:
    """The job with the form's untrusted pictures, read and fitted to its size. Slow: for a thread.

    Raises:
        RequestError: a file is not what it should be.
    """
    image = read_picture(form.images[0], limits, "image")
    mask = None
    if form.mask is not None:
        given = read_mask(form.mask, limits, (image.width, image.height))
        mask = fitted(given, job.width, job.height, mask=True)
    return job.model_copy(update={"image": fitted(image, job.width, job.height), "mask": mask})


def delivery_of(body: PicturesBody, config: GatewayConfig) -> Delivery:
    """How the pictures of a body are handed over. Raises RequestError as `image_job` does."""
    _check_compression(body)
    width, height = dimensions(_size(body.size, config))
    return Delivery(
        width=width,
        height=height,
        output_format=body.output_format,
        compression=body.output_compression,
        quality=_quality(body),
        safety_identifier=body.safety_identifier or body.user or None,
    )


def edits_unsupported() -> RequestError:
    """The answer of a service that edits nothing."""
    return RequestError("Pictures cannot be edited here.", code="unsupported_edit", param="image")


def _check_pictures(form: EditForm) -> None:
    if not form.images:
        raise RequestError("'image' is required.", code="missing_required_parameter", param="image")
    if len(form.images) > 1:
        raise RequestError(
            f"{len(form.images)} pictures are given; this model edits one at a time.",
            code="unsupported_value",
            param="image",
        )


def _image_guidance(body: EditsBody, masked: bool, settings: EditSettings) -> float:
    faithful, asked = body.input_fidelity, body.image_guidance_scale
    if masked and (faithful or asked is not None):
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
        _check_range("image_guidance_scale", asked, 1.0, MAX_IMAGE_GUIDANCE)
        return asked
    return settings.faithful_scale if faithful == "high" else settings.image_guidance_scale


def _job(body: PicturesBody, config: GatewayConfig, request_id: str) -> ImageJob:
    served_model(body.model, (config.model, *config.aliases))
    _check_length("prompt", body.prompt, config.max_prompt_chars)
    _check_range("n", body.n, 1, config.max_pictures)
    size = _size(body.size, config)
    width, height = dimensions(config.resized_sizes.get(size, size))
    return ImageJob(
        request_id=request_id,
        prompt=body.prompt,
        n=body.n,
        seed=_seed(body.seed),
        steps=_steps(body.num_inference_steps, _quality(body), config),
        guidance_scale=_guidance_scale(body.guidance_scale, config),
        width=width,
        height=height,
        loosen=body.moderation == "low",
        rewrite=body.rewrite == "on",
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


def preview_job(body: PreviewBody, config: GatewayConfig) -> PromptJob:
    """The job of a preview; one answer holds for each of the n pictures.

    Raises:
        RequestError: what a request for pictures would be refused for.
    """
    _check_length("prompt", body.prompt, config.max_prompt_chars)
    _check_range("n", body.n, 1, config.max_pictures)
    _check_range("seed", body.seed, 0, MAX_SEED)
    return PromptJob(prompt=body.prompt, seed=body.seed, operation=body.operation)


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
