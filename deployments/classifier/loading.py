"""Models of `transformers`' form, loaded whole or not at all."""

from typing import TypeVar

import torch
from transformers import PreTrainedModel

from deployments.errors import ConfigurationError
from deployments.inference.embedded.resolve import resolve

Model = TypeVar("Model", bound=PreTrainedModel)


def load_whole(family: type[Model], name: str, dtype: str, device: str) -> Model:
    """The model in its dtype on its device, frozen, in evaluation mode.

    Args:
        name: folder, hub id or `embedded:...`.

    Raises:
        ConfigurationError: it is missing or does not load whole.
    """
    folder = resolve(name)
    try:
        model, report = family.from_pretrained(
            folder, dtype=getattr(torch, dtype), output_loading_info=True
        )
        model.requires_grad_(False).eval().to(device)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ConfigurationError(f"cannot load the model {name!r}: {error}") from error
    # transformers fills what a file lacks with random numbers and only warns.
    if report["missing_keys"] or report["unexpected_keys"] or report["mismatched_keys"]:
        raise ConfigurationError(f"the weights in {folder!r} do not fit their configuration")
    return model
