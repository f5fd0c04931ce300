"""The bodies of requests: each field of the OpenAI API is honoured or refused, never ignored.

What needs no configuration to be judged is judged here; the rest in orders.py.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from deployments.contracts import Operation
from deployments.errors import RequestError

OutputFormat = Literal["png", "jpeg", "webp"]

UNSUPPORTED = frozenset(
    {"complexity", "frame_count", "frame_duration_ms", "markup", "style", "svg"}
)
"""Fields of the OpenAI API that can be null here and nothing else."""


def _readable(text: str) -> str:
    # Separators (Z) and control or format characters (C) show nothing, however many there are.
    if all(unicodedata.category(char)[0] in "ZC" for char in text):
        raise PydanticCustomError("empty_string", "must have a visible character")
    return text


@dataclass(frozen=True)
class ModerationInput:
    """What is judged as one: a text, "" where there is none, and URLs of pictures beside it."""

    text: str
    pictures: tuple[str, ...] = ()


def _moderation_inputs(value: Any) -> tuple[ModerationInput, ...]:
    """One text, a list of texts, or the parts of one multimodal input."""
    match value:
        case str():
            return (ModerationInput(_readable(value)),)
        case []:
            raise PydanticCustomError("empty_array", "must have at least one input")
        case [*items] if all(isinstance(item, str) for item in items):
            return tuple(ModerationInput(_readable(item)) for item in items)
        case [*items] if all(isinstance(item, dict) for item in items):
            return (_joined_parts(items),)
    raise PydanticCustomError("invalid_type", "must be a string or a list of strings or parts")


def _joined_parts(parts: list[dict[str, Any]]) -> ModerationInput:
    texts: list[str] = []
    pictures: list[str] = []
    for part in parts:
        match part:
            case {"type": "text", "text": str(text), **rest} if not rest:
                texts.append(text)
            case {"type": "image_url", "image_url": {"url": str(url), **more}, **rest} if not (
                rest or more
            ):
                pictures.append(url)
            case _:
                raise PydanticCustomError(
                    "invalid_value", 'has a part that is neither a text nor an "image_url" alone'
                )
    text = "\n".join(texts)
    return ModerationInput(_readable(text) if not pictures else text, tuple(pictures))


def _only(neutral: object) -> AfterValidator:
    """Accepts the neutral value of a field that is not supported otherwise."""

    def check(value: object) -> object:
        if value != neutral:
            raise PydanticCustomError("unsupported_value", "is not supported here; leave it out")
        return value

    return AfterValidator(check)


Readable = Annotated[str, AfterValidator(_readable)]
Identifier = Annotated[str, Field(max_length=512)]


class Body(BaseModel):
    """Base of all bodies: no coercion, unknown fields refused, null means left out."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _null_means_left_out(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = cls.model_fields.keys() | UNSUPPORTED
        return {key: value for key, value in data.items() if value is not None or key not in known}


class PicturesBody(Body):
    """What both ways to pictures have. The last four fields are Safelight's own."""

    prompt: Annotated[Readable, Field(repr=False)]
    model: str | None = None
    n: int = 1
    size: str = "auto"
    quality: Literal["auto", "standard", "hd", "low", "medium", "high", "xhigh", "max"] = "auto"
    background: Literal["auto", "opaque"] = "auto"
    response_format: Literal["b64_json"] = "b64_json"
    output_format: OutputFormat = "png"
    output_compression: int = 100
    moderation: Literal["auto", "low"] = "auto"
    stream: bool = False
    partial_images: Annotated[int, _only(0)] = 0
    user: Identifier = ""
    safety_identifier: Identifier = ""
    seed: int | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    rewrite: Literal["on", "off"] = "on"


class ImagesBody(PicturesBody):
    """POST /v1/images/generations. The last field is Safelight's own."""

    negative_prompt: Annotated[str, Field(repr=False)] = ""


class EditsBody(PicturesBody):
    """POST /v1/images/edits, without its pictures. The last field is Safelight's own."""

    input_fidelity: Literal["low", "high"] | None = None
    image_guidance_scale: float | None = None


class ModerationsBody(Body):
    """POST /v1/moderations."""

    input: Annotated[
        tuple[InstanceOf[ModerationInput], ...],
        BeforeValidator(_moderation_inputs),
        Field(repr=False),
    ]
    model: str | None = None


class PreviewBody(Body):
    """POST /v1/safety/preview. One answer, which holds for each of the n pictures."""

    prompt: Annotated[Readable, Field(repr=False)]
    seed: int = 0
    n: int = 1
    operation: Operation = "generate"


AnyBody = TypeVar("AnyBody", bound=Body)


def read_body(form: type[AnyBody], parsed: Any) -> AnyBody:
    """Validates a parsed body.

    Raises:
        RequestError: says what is wrong with the first field that does not fit, never its value.
    """
    try:
        return form.model_validate(parsed)
    except ValidationError as error:
        # Not chained: a log that follows causes must not come upon the prompt.
        detail = error.errors(include_url=False, include_input=False)[0]
        raise _request_error(detail) from None


_CODES = {
    "missing": "missing_required_parameter",
    "literal_error": "unsupported_value",
    "string_too_long": "string_above_max_length",
    "empty_string": "empty_string",
    "empty_array": "empty_array",
    "unsupported_value": "unsupported_value",
}
"""pydantic's error types and our own -> the codes that clients see; others are invalid_value."""


def _request_error(detail: ErrorDetails) -> RequestError:
    kind = detail["type"]
    param = _param(detail["loc"])
    if kind == "extra_forbidden":
        known = param in UNSUPPORTED
        return RequestError(
            f"'{param}' is not {'supported here' if known else 'a field of this request'}.",
            code="unsupported_parameter" if known else "unknown_parameter",
            param=param,
        )
    subject = f"'{param}'" if param else "The body"
    code = "invalid_type" if kind.endswith("_type") else _CODES.get(kind, "invalid_value")
    return RequestError(f"{subject} {_reason(detail)}.", code=code, param=param)


def _reason(detail: ErrorDetails) -> str:
    """The end of a sentence about the field. pydantic's own words quote no input."""
    if detail["type"] == "missing":
        return "is required"
    if detail["type"] == "model_type":
        return "must be a JSON object"
    return re.sub("^(Input|String) should", "must", detail["msg"])


def _param(location: tuple[int | str, ...]) -> str | None:
    """A location as OpenAI writes it, `input[0]`; cut, since clients choose names of fields."""
    steps = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(steps).removeprefix(".")[:64] or None
