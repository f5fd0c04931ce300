"""What each POST does between a parsed body and an answer. Errors leave as exceptions."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from deployments.contracts import Decision, Operation, Picture, PictureVerdict, PromptVerdict
from deployments.gateway.api.answers import Reply, images_body, moderations_body, preview_body
from deployments.gateway.api.bodies import (
    EditsBody,
    ImagesBody,
    ModerationInput,
    ModerationsBody,
    PreviewBody,
    read_body,
)
from deployments.gateway.api.edit_forms import EditForm
from deployments.gateway.api.encoding import encode
from deployments.gateway.api.moderation import moderation_result
from deployments.gateway.api.resolve import (
    ImageOrder,
    check_moderations,
    check_preview,
    edit_order,
    given_pictures,
    image_order,
    served_model,
)
from deployments.gateway.config import EditSettings, GatewayConfig
from deployments.gateway.uploads.pictures import data_url, decoded, read_picture
from deployments.gateway.walk.pipeline import ImageJob, Outcome, Preview
from deployments.policy import Policy
from deployments.telemetry.trace import Trace


class Decider(Protocol):
    """The walk, as the edge sees it: see `deployments.gateway.walk.pipeline.Walk`."""

    policy: Policy

    async def generate(
        self, job: ImageJob, trace: Trace, admitted: Callable[[], None] = ...
    ) -> Outcome: ...

    async def moderate(self, prompt: str, trace: Trace) -> PromptVerdict: ...

    async def moderate_picture(
        self, picture: Picture, prompt: str, trace: Trace
    ) -> PictureVerdict: ...

    async def preview(
        self, prompt: str, seed: int, operation: Operation, trace: Trace
    ) -> Preview: ...


class Exchange:
    """One request while it is answered: its trace, and its prompt as soon as it is known.

    `opened` is set when the answer may begin to stream, which is asked for by the kind of its
    events in `stream`.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.prompt = ""
        self.stream: str | None = None
        self.opened = asyncio.Event()

    def admitted(self) -> None:
        """The prompt side has let the request in."""
        if self.stream is not None:
            self.opened.set()


class Endpoints:
    """The three decisions that can be asked for. Holds no state between requests."""

    def __init__(self, walk: Decider, config: GatewayConfig) -> None:
        self._walk = walk
        self._config = config

    async def images(self, parsed: Any, exchange: Exchange) -> Reply:
        """Prompt in, checked pictures out."""
        body = read_body(ImagesBody, parsed)
        exchange.prompt = body.prompt
        exchange.stream = "image_generation" if body.stream else None
        order = image_order(body, self._config, exchange.trace.request_id)
        return await self._drawn(order, exchange)

    async def edits(self, form: EditForm, settings: EditSettings, exchange: Exchange) -> Reply:
        """An instruction and a picture in, checked pictures out."""
        body = read_body(EditsBody, form.fields)
        exchange.prompt = body.prompt
        exchange.stream = "image_edit" if body.stream else None

        def read() -> ImageOrder:
            given = given_pictures(form.images, form.mask, self._config.uploads)
            return edit_order(body, given, self._config, settings, exchange.trace.request_id)

        return await self._drawn(await decoded(read, self._config.uploads, "image"), exchange)

    async def _drawn(self, order: ImageOrder, exchange: Exchange) -> Reply:
        outcome = await self._walk.generate(order.job, exchange.trace, exchange.admitted)
        # A thread, since a large PNG takes long enough to hold up everybody else's requests.
        files = await asyncio.to_thread(self._encode, order, outcome, exchange.trace)
        return Reply(images_body(order, outcome, files), exchange.trace.safety("delivered"))

    async def moderations(self, parsed: Any, exchange: Exchange) -> Reply:
        """Texts and pictures in, the verdicts on each out."""
        body = read_body(ModerationsBody, parsed)
        exchange.prompt = "\n".join(one.text for one in body.input)
        model = served_model(body.model, self._config.moderation_models)
        check_moderations(body, self._config)
        verdicts = await self._moderate_all(body.input, exchange.trace)
        results = [moderation_result(*pair, self._walk.policy) for pair in verdicts]
        return Reply(
            moderations_body(model, exchange.trace.request_id, results),
            exchange.trace.safety("delivered"),
        )

    async def preview(self, parsed: Any, exchange: Exchange) -> Reply:
        """Prompt in, what would become of it out."""
        body = read_body(PreviewBody, parsed)
        exchange.prompt = body.prompt
        check_preview(body, self._config)
        preview = await self._walk.preview(body.prompt, body.seed, body.operation, exchange.trace)
        decision: Decision = "blocked" if preview.action == "block" else "delivered"
        return Reply(preview_body(preview), exchange.trace.safety(decision))

    async def _moderate_all(
        self, inputs: tuple[ModerationInput, ...], trace: Trace
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

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(moderate(one)) for one in inputs]
        except ExceptionGroup as failures:
            first = failures.exceptions[0]  # its siblings are cancelled by now
            raise first from first.__cause__
        return [task.result() for task in tasks]

    async def _picture(self, url: str) -> Picture:
        limits = self._config.uploads
        data = data_url(url, limits, "input")
        return await decoded(lambda: read_picture(data, limits, "input"), limits, "input")

    def _encode(self, order: ImageOrder, outcome: Outcome, trace: Trace) -> list[bytes]:
        notes = {"request_id": trace.request_id, "policy_hash": trace.policy.hash}
        return [
            encode(
                released.picture,
                order.width,
                order.height,
                order.output_format,
                order.output_compression,
                self._config.resample,
                notes,
            )
            for released in outcome.pictures
        ]
