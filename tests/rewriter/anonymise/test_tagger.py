"""The tagger: how words become spans, and how it reads words."""

import json
from pathlib import Path

import pytest
import torch

from deployments.rewriter.anonymise.tagger import TAGS, Recogniser, read_words, spans_of
from tests.rewriter.parts import encoder, recogniser

PLACES = [(0, 4), (5, 9), (10, 14), (15, 19)]
"""Four words of four letters."""


def tagged(*tags: str, sure: float = 0.9) -> torch.Tensor:
    """Probabilities of the words' tags: `sure` of each, and the rest evenly of the others."""
    rows = torch.full((len(tags), len(TAGS)), (1 - sure) / (len(TAGS) - 1))
    for row, tag in zip(rows, tags, strict=True):
        row[TAGS.index(tag)] = sure
    return rows


def found(*tags: str) -> list[tuple[int, int, str]]:
    return [(s.start, s.end, s.kind) for s in spans_of(PLACES[: len(tags)], tagged(*tags))]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (("other", "other"), []),
        (("begin-private", "inside-private", "other"), [(0, 9, "private")]),
        (("begin-private", "begin-private"), [(0, 4, "private"), (5, 9, "private")]),
        (("inside-private", "other", "inside-private"), [(0, 4, "private"), (10, 14, "private")]),
        (("begin-known", "inside-known"), [(0, 9, "known")]),
        (("begin-address", "inside-address"), [(0, 9, "address")]),
        (("begin-private", "inside-address"), [(0, 4, "private"), (5, 9, "address")]),
        (("begin-private", "inside-known", "inside-known"), [(0, 14, "known")]),
    ],
)
def test_words_are_joined_into_spans(tags: tuple[str, ...], spans: list[tuple[int, int, str]]):
    assert found(*tags) == spans


def test_a_span_says_how_sure_it_is_and_how_private():
    (name,) = spans_of(PLACES[:1], tagged("begin-private", sure=0.92))
    assert name.score == pytest.approx(0.92 + 3 * 0.08 / 6)
    assert name.private == pytest.approx((0.92 + 0.08 / 6) / name.score)
    (address,) = spans_of(PLACES[:1], tagged("begin-address", sure=0.92))
    assert address.private == 0


def test_names_are_found_where_they_stand():
    text = "my neighbour Marta Wilczek waits"
    assert [text[s.start : s.end] for s in recogniser().spans(text)] == ["Marta Wilczek"]


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_a_text_without_words_has_no_names(text: str):
    assert recogniser().spans(text) == []


def test_each_word_is_read_where_it_stands():
    text = "Anna-Maria, 3 ½ – é"
    (words,) = read_words([text], encoder())
    pieces = [text[start:end] for start, end in words.places]
    assert pieces == ["Anna", "-", "Maria", ",", "3", "½", "–", "é"]
    assert len(words.states) == len(words.letters) == len(words.shapes) == len(pieces)


def test_a_texts_words_do_not_depend_on_the_texts_beside_it():
    texts = ["Anna Kowalska at home", "", "a castle " * 100]
    for text, together in zip(texts, read_words(texts, encoder()), strict=True):
        (alone,) = read_words([text], encoder())
        assert alone.places == together.places
        torch.testing.assert_close(alone.states, together.states, atol=1e-4, rtol=1e-3)


def test_a_tagger_for_other_tags_is_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text(
        json.dumps({"tags": [*TAGS, "begin-pet"], "width": 8, "blocks": 1}), encoding="utf-8"
    )
    with pytest.raises(ValueError, match="other tags"):
        Recogniser(tmp_path, encoder())
