"""Finds names in a prompt: a small tagger over the frozen encoder's token states.

The encoder ignores capitals. So the tagger also reads the letters of each word (case kept, accents
folded), and how much of the prompt is in small letters, in capitals and in title case. It tells a
private person's name from a known one (an artist's credit, a character, a public figure) by the
words around it and by what the encoder knows of the name. The tables and rules in `privacy.py`
decide.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from deployments.inference.encoder import TokenEncoder

Kind = Literal["private", "known", "address"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TAGS = ("other", *(f"{place}-{kind}" for kind in KINDS for place in ("begin", "inside")))
"""What a word can be, in the order of the network's outputs."""

WORD = re.compile(r"[^\W_]+|[^\w\s]|_")
LETTERS = 14
"""How many of a word's letters the network reads."""
SHAPES = 9
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "CJK", "HANGUL")
ALPHABET = 1 + 95 + len(_SCRIPTS) + 1
"""Nothing, printable ASCII, letters of other scripts, and the rest."""


@dataclass(frozen=True)
class NameSpan:
    """A name or address in a text: characters `start` to `end`, and how sure of `kind`, in [0, 1].

    `private` is the share of `private` between private and known; 0 for an address.
    """

    start: int
    end: int
    kind: Kind
    score: float
    private: float


@dataclass(frozen=True)
class Words:
    """One text's words as the network reads them.

    Attributes:
        places: where each of the W words starts and ends, in characters.
        states: float32 [W, D], mean of the encoder's states of the word's tokens.
        letters: int64 [W, LETTERS], 0 where a word is shorter.
        shapes: float32 [W, SHAPES].
    """

    places: list[tuple[int, int]]
    states: Tensor
    letters: Tensor
    shapes: Tensor


def read_words(texts: Sequence[str], encoder: TokenEncoder) -> list[Words]:
    """The words of each text; a text may have none."""
    places = [[match.span() for match in WORD.finditer(text)] for text in texts]
    sums = [torch.zeros(len(row), encoder.width) for row in places]
    counts = [torch.zeros(len(row), 1) for row in places]
    at = [
        torch.tensor([w for w, (a, b) in enumerate(row) for _ in range(a, b)], dtype=torch.long)
        for row in places
    ]
    where = [{c: i for i, c in enumerate(c for a, b in row for c in range(a, b))} for row in places]
    for window in encoder.encode(texts):
        known, words_at = where[window.text], at[window.text]
        pairs = [
            (token, int(words_at[known[start]]))
            for token, (start, _) in enumerate(window.offsets)
            if start in known
        ]
        if pairs:
            tokens, words = (torch.tensor(column) for column in zip(*pairs, strict=True))
            sums[window.text].index_add_(0, words, window.states[tokens])
            counts[window.text].index_add_(0, words, torch.ones(len(words), 1))
    return [
        Words(row, total / count.clamp(min=1), _letters(text, row), _shapes(text, row))
        for text, row, total, count in zip(texts, places, sums, counts, strict=True)
    ]


def _letter(character: str) -> int:
    folded = unicodedata.normalize("NFKD", character)[0]
    if " " <= folded <= "~":
        return 1 + ord(folded) - 32
    name = unicodedata.name(folded, "")
    for place, script in enumerate(_SCRIPTS):
        if name.startswith(script):
            return 96 + place
    return ALPHABET - 1


def _letters(text: str, places: list[tuple[int, int]]) -> Tensor:
    found = torch.zeros(len(places), LETTERS, dtype=torch.long)
    for row, (start, end) in enumerate(places):
        codes = [_letter(c) for c in text[start : min(end, start + LETTERS)]]
        found[row, : len(codes)] = torch.tensor(codes)
    return found


def _shapes(text: str, places: list[tuple[int, int]]) -> Tensor:
    rows = []
    for start, end in places:
        word = text[start:end]
        rows.append(
            [
                word.islower(),
                word.isupper() and len(word) > 1,
                word.isupper() and len(word) == 1,
                word[:1].isupper() and not word.isupper(),
                word.isdigit(),
                not word[:1].isalnum(),
            ]
        )
    shapes = torch.tensor(rows, dtype=torch.float32).reshape(len(places), 6)
    letters = (shapes[:, :4].sum(dim=1) > 0).float()
    share = (shapes * letters[:, None])[:, [0, 1, 3]].sum(dim=0) / letters.sum().clamp(min=1)
    return torch.cat([shapes, share.expand(len(places), 3)], dim=1)


class NameNetwork(nn.Module):
    """A few convolutions over words, for whole batches of texts padded to one length."""

    def __init__(self, states: int, width: int = 128, blocks: int = 3) -> None:
        """`states` is the encoder's width, `width` that of the network's own layers."""
        super().__init__()
        self.letter = nn.Embedding(ALPHABET, 20, padding_idx=0)
        self.spelling = nn.Conv1d(20, 48, 3, padding=1)
        self.norm = nn.LayerNorm(states)
        self.states = nn.Linear(states, width)
        self.joined = nn.Linear(width + 48 + SHAPES, width)
        self.blocks = nn.ModuleList(
            nn.Conv1d(width, width, 5, padding=2 * 2**i, dilation=2**i) for i in range(blocks)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.tags = nn.Linear(width, len(TAGS))
        self.dropout = nn.Dropout(0.15)

    def forward(self, states: Tensor, letters: Tensor, shapes: Tensor, mask: Tensor) -> Tensor:
        """[B, W, D], [B, W, LETTERS], [B, W, SHAPES] and mask [B, W] to logits [B, W, TAGS]."""
        batch, words = mask.shape
        spelled = self.letter(letters.flatten(0, 1)).transpose(1, 2)
        spelled = self.spelling(spelled).amax(dim=2).reshape(batch, words, -1)
        meaning = self.states(self.dropout(self.norm(states)))
        x = self.joined(torch.cat([meaning, spelled, shapes], dim=2)).relu()
        for block, norm in zip(self.blocks, self.norms, strict=True):
            y = norm(x) * mask[:, :, None]
            x = x + self.dropout(block(y.transpose(1, 2)).relu().transpose(1, 2))
        return self.tags(x)


class Recogniser:
    """Finds names with a trained network."""

    def __init__(self, folder: Path, encoder: TokenEncoder | None = None) -> None:
        """
        Args:
            folder: config.json and model.safetensors, as training writes them.
            encoder: what the network was trained on; the embedded MiniLM without one.
        """
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if tuple(config["tags"]) != TAGS:
            raise ValueError(f"{folder} was trained for other tags than this version's")
        self._encoder = encoder or TokenEncoder()
        self._network = NameNetwork(self._encoder.width, config["width"], config["blocks"]).eval()
        weights = load_file(folder / "model.safetensors")
        self._network.load_state_dict({name: value.float() for name, value in weights.items()})

    def spans(self, text: str) -> list[NameSpan]:
        """The names and addresses of one text in order; they do not overlap."""
        words = read_words([text], self._encoder)[0]
        return spans_of(words.places, self.probabilities(words))

    @torch.inference_mode()
    def probabilities(self, words: Words) -> Tensor:
        """float32 [W, TAGS]."""
        if not words.places:
            return torch.zeros(0, len(TAGS))
        mask = torch.ones(1, len(words.places))
        logits = self._network(words.states[None], words.letters[None], words.shapes[None], mask)
        return logits[0].softmax(dim=1)


def spans_of(places: list[tuple[int, int]], tags: Tensor) -> list[NameSpan]:
    """Joins words into spans. Private and known are one kind at first, then told apart as a whole.

    A word belongs to a span if `other` is not the likeliest of other, person and address; a new
    span begins where `begin` is likelier than `inside`.
    """
    person = tags[:, 1:5].sum(dim=1)
    address = tags[:, 5:7].sum(dim=1)
    likeliest = torch.stack([tags[:, 0], person, address], dim=1).argmax(dim=1).tolist()
    begins = (tags[:, 1] + tags[:, 3] + tags[:, 5] > tags[:, 2] + tags[:, 4] + tags[:, 6]).tolist()
    groups: list[tuple[int, list[int]]] = []
    for word, what in enumerate(likeliest):
        goes_on = bool(groups) and groups[-1][0] == what and groups[-1][1][-1] == word - 1
        if what and goes_on and not begins[word]:
            groups[-1][1].append(word)
        elif what:
            groups.append((what, [word]))
    found = []
    for what, members in groups:
        rows = tags[members]
        start, end = places[members[0]][0], places[members[-1]][1]
        if what == 2:
            score = float(rows[:, 5:7].sum(dim=1).mean())
            found.append(NameSpan(start, end, "address", score, 0.0))
            continue
        private = float(rows[:, 1:3].sum() / rows[:, 1:5].sum())
        score = float(rows[:, 1:5].sum(dim=1).mean())
        found.append(NameSpan(start, end, "private" if private >= 0.5 else "known", score, private))
    return found
