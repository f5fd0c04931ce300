"""A renamed key of a configuration is refused, and the message says what it is called now."""

import copy
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from deployments.configuration import Configuration
from deployments.contracts import Contract
from deployments.diffusion.config import DiffusionConfig
from deployments.paths import ROOT
from deployments.policy import Policy
from graph import SafelightConfig


def parts(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and every model in its fields."""
    yield model
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            yield from parts(inner)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


PARTS = {part for root in (SafelightConfig, Policy) for part in parts(root)}
MESSAGES = {part for part in PARTS if issubclass(part, Contract)}
"""What services also send each other: it has the keys of its version, and no old names."""


@pytest.fixture
def args() -> dict:
    path = ROOT / "configs" / "miniature.yaml"
    (application,) = yaml.safe_load(path.read_text(encoding="utf-8"))["applications"]
    return copy.deepcopy(application["args"])


def test_shipped_configuration_says_nothing_by_an_old_name(args):
    assert SafelightConfig.model_validate(args).diffusion.max_waiting > 0


def test_renamed_key_is_refused_with_its_new_name(args):
    args["diffusion"]["max_queued"] = 8
    with pytest.raises(ValidationError, match="`max_queued` is now called `max_waiting`"):
        SafelightConfig.model_validate(args)


def test_unknown_key_is_refused(args):
    args["diffusion"]["max_waitng"] = 8
    with pytest.raises(ValidationError, match=r"diffusion\.max_waitng"):
        SafelightConfig.model_validate(args)


def test_configuration_is_frozen():
    config = DiffusionConfig(model="embedded:diffusion")
    with pytest.raises(ValidationError, match="frozen"):
        config.max_waiting = 3


@pytest.mark.parametrize("part", sorted(PARTS - MESSAGES, key=lambda part: part.__name__))
def test_every_part_knows_its_renamed_keys_and_refuses_unknown_ones(part):
    assert issubclass(part, Configuration)
    assert part.model_config["extra"] == "forbid"
    assert part.model_config["frozen"]
    for old, new in part.renamed.items():
        assert old not in part.model_fields
        assert new in part.model_fields
