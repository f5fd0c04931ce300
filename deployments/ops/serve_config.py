"""Reads a Serve configuration file strictly. Ray ignores keys that it does not know; we do not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from ray.serve.schema import ServeDeploySchema

from deployments.errors import ConfigurationError


def read_serve_config(path: Path) -> dict[str, Any]:
    """The content of a Serve configuration file that has no unknown keys.

    `graph.SafelightConfig` checks what `args` says.

    Raises:
        ConfigurationError: the file cannot be read, is no YAML, or does not fit; says where.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"cannot read {str(path)!r}: {error}") from error
    check_serve_config(content, repr(str(path)))
    return content


def check_serve_config(content: Any, where: str) -> ServeDeploySchema:
    """Validates by Ray's own schema, and refuses keys that Ray would ignore.

    Raises:
        ConfigurationError: the content does not fit, or has unknown keys; names them.
    """
    try:
        schema = ServeDeploySchema.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(f"{where} is no Serve configuration: {error}") from error
    if unknown := list(_unknown_keys(ServeDeploySchema, content, "")):
        raise ConfigurationError(f"{where} has keys that Serve does not know: {', '.join(unknown)}")
    return schema


def _unknown_keys(model: type[BaseModel], value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_keys(model, item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, inner in value.items():
            here = f"{path}.{key}" if path else str(key)
            field = model.model_fields.get(key)
            if field is None:
                yield here
            elif (inner_model := _model_in(field.annotation)) is not None:
                yield from _unknown_keys(inner_model, inner, here)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as `Union[Dict, Model, None]` or `List[Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
