"""Anonymising takes time in proportion to the prompt, whatever the prompt repeats."""

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from deployments.inference.embedded.diffusion import minilm
from deployments.inference.encoder import TokenEncoder
from deployments.policy import Changes
from deployments.rewriter.anonymise.anonymiser import Anonymiser
from deployments.rewriter.anonymise.tagger import TAGS, NameNetwork, Recogniser
from tests.rewriter.parts import anonymiser, seconds

pytestmark = pytest.mark.slow

PIECES = [
    "Anna Kowalska in her bed, ", "1 ", "12 Elm ", "plate A1 ", "x@", "A.", "-a", "(415) ",
]  # fmt: skip
SHORT, LONG = 400, 3_200


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Anonymiser:
    """The rules, with networks so small that they cost little, and that find names anywhere."""
    folder = tmp_path_factory.mktemp("untrained")
    shutil.copytree(minilm(), folder / "encoder", ignore=shutil.ignore_patterns("*.safetensors"))
    torch.manual_seed(0)
    small = BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16
    )
    BertModel(small).save_pretrained(folder / "encoder")
    encoder = TokenEncoder(folder / "encoder")
    config = {"tags": TAGS, "width": 16, "blocks": 1}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(NameNetwork(encoder.width, 16, 1).state_dict(), folder / "model.safetensors")
    return Anonymiser(Recogniser(folder, encoder), Changes())


@pytest.mark.parametrize("piece", PIECES)
def test_time_grows_with_the_length_and_not_with_its_square(untrained: Anonymiser, piece: str):
    short, long = (
        seconds(lambda length=length: untrained.anonymise((piece * length)[:length]))
        for length in (SHORT, LONG)
    )
    assert long < 3 * LONG / SHORT * short


@pytest.mark.parametrize("piece", ["Anna Kowalska in her bed, ", "A."])
def test_the_longest_prompt_is_anonymised(piece: str):
    _, changes = anonymiser().anonymise((piece * 32_000)[:32_000])
    assert all(change.why for change in changes)
