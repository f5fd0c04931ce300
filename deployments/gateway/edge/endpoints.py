"""What each POST does between a body and an answer. Errors leave as exceptions."""

import asyncio
from collections.abc import Sequence

from deployments.contracts import Decision, Picture, PictureVerdict, PromptVerdict
from deployments.futures import all_of
from deployments.gateway.api.answers import images_body, moderations_body, preview_body
from deployments.gateway.api.bodies import (
    EditsBody,
    ImagesBody,
    ModerationInput,
    ModerationsBody,
    PreviewBody,
    read_body,
)
from deployments.gateway.api.delivery import Delivery
from deployments.gateway.api.edit_forms import read_form
from deployments.gateway.api.encoding import encode
from deployments.gateway.api.moderation import moderation_result
from deployments.gateway.api.reply import Reply
from deployments.gateway.api.resolve import (
    check_moderations,
    delivery_of,
    edit_job,
    edits_unsupported,
    image_job,
    preview_job,
    served_model,
    with_pictures,
)
from deployments.gateway.api.strict_json import parse_json
from deployments.gateway.config import GatewayConfig
from deployments.gateway.edge.exchange import Exchange
from deployments.gateway.uploads.data_url import data_url
from deployments.gateway.uploads.decode import decoded, read_picture
from deployments.gateway.walk.jobs import ImageJob, Outcome
from deployments.gateway.walk.pipeline import Walk
from deployments.telemetry.trace import Trace


class Endpoints:
    """The decisions that can be asked for. Holds no state between requests."""

    def __init__(self, walk: Walk, config: GatewayConfig) -> None:
        self._walk = walk
        self._config = config

    async def images(self, data: bytes, exchange: Exchange) -> Reply:
        """Prompt in, checked pictures out."""
        body = read_body(ImagesBody, parse_json(data))
        exchange.asked(body.prompt, stream="image_generation" if body.stream else None)
        job = image_job(body, self._config, exchange.trace.request_id)
        return await self._drawn(job, delivery_of(body, self._config), exchange)

    async def edits(self, data: bytes, exchange: Exchange) -> Reply:
        """An instruction and a picture in, checked pictures out."""
        settings, limits = self._config.edits, self._config.uploads
        if settings is None:
            raise edits_unsupported()
        form = await read_form(data, exchange.headers, limits)
        body = read_body(EditsBody, form.fields)
        exchange.asked(body.prompt, stream="image_edit" if body.stream else None)
        job = edit_job(form, body, self._config, settings, exchange.trace.request_id)
        delivery = delivery_of(body, self._config)
        job = await decoded(lambda: with_pictures(job, form, limits), limits, "image")
        return await self._drawn(job, delivery, exchange)

    async def moderations(self, data: bytes, exchange: Exchange) -> Reply:
        """Texts and pictures in, the verdicts on each out."""
        body = read_body(ModerationsBody, parse_json(data))
        exchange.asked("\n".join(one.text for one in body.input))
        model = served_model(body.model, self._config.moderation_models)
        check_moderations(body, self._config)
        verdicts = await self._moderate_all(body.input, exchange.trace)
        results = [moderation_result(*pair, self._walk.policy) for pair in verdicts]
        return Reply(
            moderations_body(model, exchange.trace.request_id, results),
            exchange.trace.safety("delivered"),
        )

    async def preview(self, data: bytes, exchange: Exchange) -> Reply:
        """Prompt in, what would become of it out."""
        body = read_body(PreviewBody, parse_json(data))
        exchange.asked(body.prompt)
        preview = await self._walk.preview(preview_job(body, self._config), exchange.trace)
        decision: Decision = "blocked" if preview.action == "block" else "delivered"
        return Reply(preview_body(preview), exchange.trace.safety(decision))

    async def _drawn(self, job: ImageJob, delivery: Delivery, exchange: Exchange) -> Reply:
        outcome = await self._walk.generate(job, exchange.trace, exchange.admitted)
        # A thread, since a large PNG takes long enough to hold up everybody else's requests.
        files = await asyncio.to_thread(self._files, outcome, delivery, exchange.trace)
        body = images_body(job, delivery, outcome, files)
        return Reply(body, exchange.trace.safety("delivered"))

    def _files(self, outcome: Outcome, delivery: Delivery, trace: Trace) -> list[bytes]:
        notes = {"request_id": trace.request_id, "policy_hash": trace.policy.hash}
        return [
            encode(released.picture, delivery, self._config.resample, notes)
            for released in outcome.pictures
        ]

    async def _moderate_all(
        self, inputs: Sequence[ModerationInput], trace: Trace
    ) -> list[tuple[PromptVerdict | None, list[PictureVerdict]]]:
        turns = asyncio.Semaphore(self._config.moderation_concurrency)

        async def moderate(
            one: ModerationInput,
        ) -> tuple[PromptVerdict | None, list[PictureVerdict]]:
            async with turns:
                shown = [await self._picture(url) for url in one.pictures]
                said = await self._walk.moderate(one.text, trace) if one.text.strip() else None
                judge = self._walk.moderate_picture
                return said, [await judge(picture, one.text, trace) for picture in shown]

        return await all_of(moderate(one) for one in inputs)

    async def _picture(self, url: str) -> Picture:
        limits = self._config.uploads
        data = data_url(url, limits, "input")
        return await decoded(lambda: read_picture(data, limits, "input"), limits, "input")
