"""Request bodies as JSON: what two readers could read differently is refused."""

import json
import math
from typing import Any, NoReturn

from deployments.errors import RequestError

MAX_DEPTH = 32


def parse_json(body: bytes) -> Any:
    """Parses UTF-8 JSON (RFC 8259).

    Raises:
        RequestError: `invalid_json` for anything else, for NaN, infinities and numbers beyond a
            double, for a key given twice, and for nesting deeper than MAX_DEPTH;
            `invalid_unicode` for text with a lone surrogate or a null character.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError as error:
        raise _invalid("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _invalid(f"{error.msg}, line {error.lineno} column {error.colno}") from error
    except ValueError as error:  # an integer of thousands of digits
        raise _invalid("a number is too long") from error
    except RecursionError as error:
        raise _invalid("it is nested too deeply") from error
    _check_all(value, "", 0)
    return value


def _invalid(why: str) -> RequestError:
    return RequestError(f"The body is not valid JSON: {why}.", code="invalid_json")


def _refuse_constant(name: str) -> NoReturn:
    raise _invalid(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _invalid("a number is too large")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise _invalid("a key is given twice")
    return unique


def _check_all(value: Any, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _invalid(f"it is nested deeper than {MAX_DEPTH}")
    match value:
        case str():
            check_text(value, path)
        case list():
            for index, item in enumerate(value):
                _check_all(item, f"{path}[{index}]", depth + 1)
        case dict():
            for key, item in value.items():
                check_text(key, path)
                _check_all(item, f"{path}.{key}" if path else key, depth + 1)


def check_text(text: str, path: str) -> None:
    """Refuses text that another reader may read differently. Raises RequestError."""
    odd = not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)
    if odd or "\0" in text:
        raise RequestError(
            "Text must be Unicode without null characters and without lone surrogates.",
            code="invalid_unicode",
            param=path[:64] or None,
        )
