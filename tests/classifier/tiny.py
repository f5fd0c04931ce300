"""A real model folder, far too small to know anything, and thresholds that make it decide."""

from pathlib import Path

import numpy as np
import torch

from deployments import pictures
from deployments.classifier.classifier import Loaded
from deployments.classifier.prompt import PromptEncoder
from deployments.classifier.standalone.model import PictureHarmConfig, PictureHarmModel
from deployments.classifier.transformation.model import TransformationConfig, TransformationModel
from deployments.classifier.transformation.reader import TransformationReader
from deployments.contracts import Picture

CATEGORIES = ("violence", "sexual", "hate", "demeaning")
TRUNK = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}


def config(**changes) -> PictureHarmConfig:
    return PictureHarmConfig(
        **{"size": 32, "trunk": TRUNK, "width": 8, "prompt_window": 16} | changes
    )


def model(seed: int = 0, **changes) -> PictureHarmModel:
    torch.manual_seed(seed)
    return PictureHarmModel(config(**changes)).eval().requires_grad_(False)


def loaded(seed: int = 0, **changes) -> Loaded:
    made = model(seed, **changes)
    return Loaded(made, PromptEncoder(made.config.prompt_window))


def transformations(seed: int = 0, **changes) -> TransformationReader:
    """Reads edits, and knows nothing about them."""
    torch.manual_seed(seed)
    shape = {"size": 32, "trunk": TRUNK, "width": 8, "prompt_window": 16}
    made = TransformationModel(TransformationConfig(**shape | changes))
    return TransformationReader(made.eval().requires_grad_(False), PromptEncoder(16))


def saved(folder: Path, **changes) -> Path:
    model(**changes).save_pretrained(folder)
    return folder


def pixels(seed: int = 0, height: int = 64, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(height, width, 3)).astype(np.uint8)


def picture(seed: int = 0, height: int = 64, width: int = 64) -> Picture:
    return pictures.from_array(pixels(seed, height, width))
