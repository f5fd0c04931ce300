"""The CNN and the operator's examples together, on one encoder and on two that cut text apart."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from deployments.contracts import GuardRequest
from deployments.guard.embedding.cnn import CNNConfig, CNNStage, HarmCNN, write
from deployments.guard.embedding.few_shot import FewShot
from deployments.guard.embedding.stage import EmbeddingStage
from deployments.inference.embedded.resolve import resolve
from deployments.policy import Policy
from tests.guard.embedding.test_few_shot import SPIDERS
from tests.guard.parts import POLICY

REQUESTS = [
    GuardRequest(prompt="a red kite"),
    GuardRequest(prompt="a lake at dawn " * 60 + "and a tarantula on a log"),
    GuardRequest(prompt="a quiet street"),
]


def letter_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each letter, where MiniLM has one for most words."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
    )


@pytest.fixture(scope="module")
def other_cnn(tmp_path_factory: pytest.TempPathFactory) -> CNNStage:
    """A CNN on a tiny encoder that splits text into letters; its weights are random."""
    folder: Path = tmp_path_factory.mktemp("cnn")
    tokenizer = letter_tokenizer()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    encoder = BertModel(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
        )
    )
    encoder.save_pretrained(folder)
    config = CNNConfig(categories=("violence", "brands"), width=16, filters=4)
    write(folder, config, HarmCNN(config))
    return CNNStage(str(folder))


@pytest.fixture(scope="module")
def few_shot() -> FewShot:
    policy = POLICY.model_dump()
    policy["categories"]["spiders"] = SPIDERS
    return FewShot(Policy.model_validate(policy))


def worst(tables: list[dict[str, float]]) -> dict[str, float]:
    return {name: max(table[name] for table in tables) for name in tables[0]}


@pytest.mark.slow
def test_a_cnn_whose_encoder_cuts_text_differently_scores_with_the_examples(other_cnn, few_shot):
    read, shown = other_cnn.score(REQUESTS), few_shot.score(REQUESTS)
    assert len(read) > len(shown) > len(REQUESTS)
    tables = EmbeddingStage(other_cnn, few_shot).score(REQUESTS)
    assert worst(tables) == worst([p.scores for p in read]) | worst([p.scores for p in shown])


@pytest.mark.slow
def test_what_the_examples_find_stands_beside_what_the_cnn_read_at_the_same_place(
    other_cnn, few_shot
):
    read = [piece for piece in other_cnn.score(REQUESTS) if piece.request == 1]
    told = [t for t in EmbeddingStage(other_cnn, few_shot).score(REQUESTS) if t["spiders"] > 0.5]
    ending = [piece.scores for piece in read if piece.span.end > len(REQUESTS[1].prompt) / 2]
    assert told
    assert all({name: t[name] for name in ("violence", "brands")} in ending for t in told)
    assert len(told) < len(read)


@pytest.mark.slow
def test_on_one_encoder_each_window_is_joined_with_itself(few_shot):
    cnn = CNNStage(resolve("embedded:cnn"))
    read, shown = cnn.score(REQUESTS), few_shot.score(REQUESTS)
    joined = [a.scores | b.scores for a, b in zip(read, shown, strict=True)]
    assert EmbeddingStage(cnn, few_shot).score(REQUESTS) == joined


def test_what_one_part_cannot_read_has_no_table(other_cnn, few_shot):
    stage = EmbeddingStage(other_cnn, few_shot)
    assert stage.score([GuardRequest(prompt="\u200b")]) == []
    assert len(stage.score([GuardRequest(prompt="\u200b"), GuardRequest(prompt="a dog")])) == 1
