"""The two forms of POST /v1/images/edits, multipart and JSON, as one: fields, files and a mask."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from deployments.errors import RequestError
from deployments.gateway.api.strict_json import check_text, parse_json
from deployments.gateway.uploads.data_url import data_url
from deployments.gateway.uploads.limits import UploadLimits

PICTURES = frozenset({"image", "image[]"})
MAX_FILES, MAX_FIELDS = 18, 64
NUMBERS = frozenset({"n", "seed", "output_compression", "partial_images", "num_inference_steps"})
SCALES = frozenset({"guidance_scale", "image_guidance_scale"})
"""Fields that are numbers; a multipart form has them as text."""


@dataclass(frozen=True)
class EditForm:
    """A body before its fields are validated. The files are untrusted bytes."""

    fields: dict[str, Any] = field(repr=False)
    images: tuple[bytes, ...] = field(repr=False)
    mask: bytes | None = field(repr=False)


async def read_form(body: bytes, headers: Headers, limits: UploadLimits) -> EditForm:
    """Reads either form.

    Raises:
        RequestError: it is neither, or not well formed.
    """
    kind, _ = parse_options_header(headers.get("content-type", ""))
    if kind == b"multipart/form-data":
        return await _multipart(body, headers)
    return _json(parse_json(body), limits)


class _InMemory(MultiPartParser):
    # The body is in memory already and bounded: nobody's picture is written to a disk.
    spool_max_size = 2**31

    def __init__(self, body: bytes, headers: Headers) -> None:
        super().__init__(headers, self._whole(body), max_files=MAX_FILES, max_fields=MAX_FIELDS)
        self._ended = False

    def on_end(self) -> None:
        self._ended = True

    async def _whole(self, body: bytes) -> AsyncGenerator[bytes, None]:
        yield body
        if not self._ended:  # raised within `parse`, which then closes what it has opened
            raise MultiPartException("The body ends before its last boundary.")


async def _multipart(body: bytes, headers: Headers) -> EditForm:
    parser = _InMemory(body, headers)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise RequestError(
            "The body is no valid multipart form.", code="invalid_multipart"
        ) from error
    try:
        return await _read(form)
    finally:
        await form.close()


async def _read(form: FormData) -> EditForm:
    fields: dict[str, Any] = {}
    images: list[bytes] = []
    mask: bytes | None = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            content = await value.read()
            if name in PICTURES:
                images.append(content)
            elif name == "mask" and mask is None:
                mask = content
            else:
                raise _unexpected(name, "a file")
        elif name in fields:
            raise RequestError(
                f"'{name[:64]}' is given twice.", code="invalid_value", param=name[:64]
            )
        elif name in PICTURES or name == "mask":
            raise _unexpected(name, "text")
        else:
            check_text(value, name)
            fields[name] = _number(name, value)
    return EditForm(fields, tuple(images), mask)


def _number(name: str, text: str) -> Any:
    """A number where the field is one and the text says one; anything else fails validation."""
    if name in NUMBERS and re.fullmatch(r"-?\d{1,20}", text):
        return int(text)
    if name in SCALES and re.fullmatch(r"-?\d{1,20}(\.\d{1,20})?", text):
        return float(text)
    if name == "stream" and text in ("true", "false"):
        return text == "true"
    return text


def _json(parsed: Any, limits: UploadLimits) -> EditForm:
    if not isinstance(parsed, dict):
        raise RequestError("The body must be a JSON object.", code="invalid_type")
    fields = dict(parsed)
    given, mask = fields.pop("images", None), fields.pop("mask", None)
    if given is not None and not isinstance(given, list):
        raise RequestError("'images' must be a list.", code="invalid_type", param="images")
    return EditForm(
        fields,
        tuple(_referred(one, f"images[{i}]", limits) for i, one in enumerate(given or ())),
        None if mask is None else _referred(mask, "mask", limits),
    )


def _referred(value: Any, param: str, limits: UploadLimits) -> bytes:
    match value:
        case {"image_url": str(url), **rest} if not rest:
            return data_url(url, limits, f"{param}.image_url")
        case {"file_id": str()}:
            raise RequestError(
                f"'{param}.file_id' is not supported: there is no store of files here.",
                code="unsupported_parameter",
                param=f"{param}.file_id",
            )
    raise RequestError(
        f"'{param}' must be an object with an 'image_url' alone.",
        code="invalid_type",
        param=param,
    )


def _unexpected(name: str, what: str) -> RequestError:
    return RequestError(
        f"'{name[:64]}' cannot be {what} here, or is given twice.",
        code="invalid_value",
        param=name[:64],
    )
