"""The tagger's canaries, with the shipped weights whole and damaged."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from deployments.errors import ConfigurationError
from deployments.inference.embedded.resolve import resolve
from deployments.rewriter.anonymise.canaries import NOBODY, PRIVATE, check_canaries
from deployments.rewriter.anonymise.tagger import TAGS, Recogniser
from tests.rewriter.parts import encoder, recogniser

SHIPPED = Path(resolve("embedded:names"))


def scrambled(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: value.flatten()[torch.randperm(value.numel(), generator=generator)].view_as(value)
        for name, value in weights.items()
    }


def always(tag: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    """Weights that call every word `tag`."""

    def damaged(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        bias = torch.zeros_like(weights["tags.bias"])
        bias[TAGS.index(tag)] = 10
        return weights | {"tags.weight": weights["tags.weight"] * 0, "tags.bias": bias}

    return damaged


def everybody_known(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights that take private for known, and known for private."""
    kinds = {"private": "known", "known": "private"}
    swapped = [TAGS.index("-".join(kinds.get(part, part) for part in t.split("-"))) for t in TAGS]
    return weights | {name: weights[name][swapped] for name in ("tags.weight", "tags.bias")}


DAMAGE: dict[str, Callable[[dict[str, Tensor]], dict[str, Tensor]]] = {
    "zeroed": lambda weights: {name: value * 0 for name, value in weights.items()},
    "scrambled": scrambled,
    "not numbers": lambda weights: {name: value * torch.nan for name, value in weights.items()},
    "finds nobody": always("other"),
    "finds everybody": always("inside-private"),
    "everybody known": everybody_known,
}


def test_the_shipped_tagger_may_start():
    check_canaries(recogniser())


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_tagger_may_not(
    tmp_path: Path,
    damage: Callable[[dict[str, Tensor]], dict[str, Tensor]],
):
    shutil.copy(SHIPPED / "config.json", tmp_path)
    weights = {
        k: v.contiguous() for k, v in damage(load_file(SHIPPED / "model.safetensors")).items()
    }
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ConfigurationError, match=r"fails its canaries: in '.*' it finds \["):
        check_canaries(Recogniser(tmp_path, encoder()))


def test_the_shipped_tagger_is_sure_of_them():
    """So that another processor's rounding cannot keep a good replica from starting."""
    for text in (*PRIVATE, *NOBODY):
        for span in recogniser().spans(text):
            assert span.score > 0.95
            assert abs(span.private - 0.5) > 0.4
