"""The bodies of answers in OpenAI's form. What is ours stands under `safety`, and only there."""

import base64
import time
from collections.abc import Sequence

from deployments.contracts import Change
from deployments.gateway.api.delivery import Delivery
from deployments.gateway.api.reply import Json
from deployments.gateway.config import GatewayConfig
from deployments.gateway.walk.jobs import ImageJob, Outcome, Preview


def images_body(
    job: ImageJob, delivery: Delivery, outcome: Outcome, files: Sequence[bytes]
) -> Json:
    """POST /v1/images/generations: the delivered pictures in order.

    `usage` counts prompt tokens and the given picture's latent positions in, latent positions out.
    """
    # The given picture is encoded at the size of each that is made of it.
    given = outcome.latent_positions // job.n if job.image else 0
    body: Json = {
        "created": int(time.time()),
        "data": [
            {"b64_json": base64.b64encode(file).decode(), "revised_prompt": prompt}
            for file, prompt in zip(files, outcome.prompts, strict=True)
        ],
        "background": "opaque",
        "output_format": delivery.output_format,
        "size": delivery.size,
        "usage": _usage(outcome.prompt_tokens, given, outcome.latent_positions),
    }
    if any(outcome.changes):
        body["safety"] = {
            "changes": [[_change(change) for change in changes] for changes in outcome.changes]
        }
    if delivery.quality is not None:
        body["quality"] = delivery.quality
    if delivery.safety_identifier is not None:
        body["safety_identifier"] = delivery.safety_identifier
    return body


def moderations_body(model: str, request_id: str, results: Sequence[Json]) -> Json:
    """POST /v1/moderations: one result for each input, in order."""
    return {
        "id": f"modr-{request_id}",
        "model": model,
        "results": list(results),
    }


def preview_body(preview: Preview) -> Json:
    """POST /v1/safety/preview: what the prompt side would do, and to which prompt."""
    return {
        "action": preview.action,
        "categories": preview.scores,
        "revised_prompt": preview.prompt,
        "changes": [_change(change) for change in preview.changes],
    }


def models_body(config: GatewayConfig) -> Json:
    """GET /v1/models: the picture model first, then its other names, then the guard's."""
    return {"object": "list", "data": list(models(config).values())}


def models(config: GatewayConfig) -> dict[str, Json]:
    """Every served model by its name; a picture model's sizes stand under `safety`."""
    sizes = {"native": list(config.native_sizes), "resized": list(config.resized_sizes)}
    pictures = {name: _model(name, config) for name in (config.model, *config.aliases)}
    guards = {name: _model(name, config) for name in config.moderation_models}
    return {
        **{name: {**model, "safety": {"sizes": sizes}} for name, model in pictures.items()},
        **guards,
    }


def _model(name: str, config: GatewayConfig) -> Json:
    return {
        "id": name,
        "object": "model",
        "created": config.model_created,
        "owned_by": "safelight",
    }


def _usage(prompt_tokens: int, given_positions: int, latent_positions: int) -> Json:
    return {
        "input_tokens": prompt_tokens + given_positions,
        "input_tokens_details": {"image_tokens": given_positions, "text_tokens": prompt_tokens},
        "output_tokens": latent_positions,
        "output_tokens_details": {"image_tokens": latent_positions, "text_tokens": 0},
        "total_tokens": prompt_tokens + given_positions + latent_positions,
    }


def _change(change: Change) -> Json:
    return {
        "kind": change.kind,
        "from": change.before,
        "to": change.after,
        "why": change.why,
    }
