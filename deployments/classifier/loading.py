"""Loads the models of a replica, each whole or not at all."""

from dataclasses import dataclass
from typing import TypeVar

import torch
from transformers import PreTrainedModel

from deployments.classifier.config import ClassifierConfig
from deployments.classifier.prompt import PromptEncoder
from deployments.classifier.standalone.model import PictureHarmModel
from deployments.classifier.standalone.open_nsfw import OpenNsfw
from deployments.classifier.standalone.scorer import PictureScorer
from deployments.classifier.transformation.model import TransformationModel
from deployments.classifier.transformation.scorer import EditScorer
from deployments.errors import ConfigurationError
from deployments.inference.embedded.resolve import resolve

Model = TypeVar("Model", bound=PreTrainedModel)


@dataclass(frozen=True)
class Models:
    """What scores pictures, and what scores edits where that is configured."""

    pictures: PictureScorer
    edits: EditScorer | None = None


def load_models(config: ClassifierConfig) -> Models:
    """The configured models, but for the vision-language model that runs on vLLM.

    Raises:
        ConfigurationError: a model is missing or does not load whole.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    model = _load(PictureHarmModel, config.model, config)
    prompts = PromptEncoder(model.config.prompt_window, config.device)
    open_nsfw = None if config.open_nsfw is None else OpenNsfw(config.open_nsfw, config.threads)
    edits = None
    if config.transformation is not None:
        edits = EditScorer(_load(TransformationModel, config.transformation, config), prompts)
    return Models(PictureScorer(model, prompts, open_nsfw), edits)


def _load(family: type[Model], name: str, config: ClassifierConfig) -> Model:
    """The model called `name`, frozen and in evaluation mode."""
    folder = resolve(name)
    try:
        model, report = family.from_pretrained(
            folder, dtype=getattr(torch, config.dtype), output_loading_info=True
        )
        model.requires_grad_(False).eval().to(config.device)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ConfigurationError(f"cannot load the model {name!r}: {error}") from error
    # transformers fills what a file lacks with random numbers and only warns.
    if report["missing_keys"] or report["unexpected_keys"] or report["mismatched_keys"]:
        raise ConfigurationError(f"the weights in {folder!r} do not fit their configuration")
    return model
