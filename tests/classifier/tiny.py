"""Real models, far too small to know anything, and policies that make them decide."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch

from deployments import pictures
from deployments.classifier.loading import Models
from deployments.classifier.prompt import PromptEncoder
from deployments.classifier.standalone.model import PictureHarmConfig, PictureHarmModel
from deployments.classifier.standalone.scorer import PictureScorer
from deployments.classifier.transformation.model import TransformationConfig, TransformationModel
from deployments.classifier.transformation.scorer import EditScorer
from deployments.contracts import Picture
from deployments.policy import EditPolicy, OutputPolicy

CATEGORIES = ("violence", "sexual", "hate", "demeaning")
ATTRIBUTES = ("gender", "skin", "build", "hair_colour", "hair_style")
ALL: Mapping[str, float] = dict.fromkeys(CATEGORIES, 0.5)
TRUNK = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
WINDOW = 16


@cache
def prompts() -> PromptEncoder:
    """The real encoder, loaded once."""
    return PromptEncoder(WINDOW)


def config(**changes) -> PictureHarmConfig:
    return PictureHarmConfig(
        **{"size": 32, "trunk": TRUNK, "width": 8, "prompt_window": WINDOW} | changes
    )


def model(seed: int = 0, **changes) -> PictureHarmModel:
    torch.manual_seed(seed)
    return PictureHarmModel(config(**changes)).eval().requires_grad_(False)


def scorer(seed: int = 0, **changes) -> PictureScorer:
    return PictureScorer(model(seed, **changes), prompts())


def models(seed: int = 0, edits: EditScorer | None = None, **changes) -> Models:
    return Models(scorer(seed, **changes), edits)


def edit_model(seed: int = 0, **changes) -> TransformationModel:
    torch.manual_seed(seed)
    shape = {"size": 32, "trunk": TRUNK, "width": 8, "prompt_window": WINDOW}
    made = TransformationModel(TransformationConfig(**shape | changes))
    return made.eval().requires_grad_(False)


def edit_scorer(seed: int = 0, **changes) -> EditScorer:
    return EditScorer(edit_model(seed, **changes), prompts())


def output(thresholds: Mapping[str, float] = ALL, edits: EditPolicy | None = None) -> OutputPolicy:
    why = {name: f"the picture has {name}" for name in thresholds}
    return OutputPolicy(thresholds=dict(thresholds), why=why, edits=edits)


def edits(thresholds: Mapping[str, float] = ALL, **changes) -> EditPolicy:
    why = {name: f"the edit does {name}" for name in thresholds}
    changed = {name: f"the {name} changed" for name in ATTRIBUTES}
    return EditPolicy(**{"thresholds": dict(thresholds), "why": why, "changed": changed} | changes)


def saved(folder: Path, **changes) -> Path:
    model(**changes).save_pretrained(folder)
    return folder


def pixels(seed: int = 0, height: int = 64, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(height, width, 3)).astype(np.uint8)


def picture(seed: int = 0, height: int = 64, width: int = 64) -> Picture:
    return pictures.from_array(pixels(seed, height, width))
