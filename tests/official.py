"""Strict validation of bodies by the types of OpenAI's own client."""

from typing import Any

from pydantic import BaseModel


def check_official(kind: type[BaseModel], body: Any, own_categories: tuple[str, ...] = ()) -> None:
    """Fails unless `body` is exactly a `kind`, with extras under `safety` only.

    `own_categories` are the policy's own, which may stand beside the moderation categories.
    """
    _check_extras(kind.model_validate(body, strict=True), {"safety", *own_categories})


def _check_extras(value: Any, allowed: set[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _check_extras(item, allowed)
    elif isinstance(value, BaseModel):
        assert set(value.model_extra or {}) <= allowed
        for name in type(value).model_fields:
            _check_extras(getattr(value, name), allowed)
