"""A word-level tokenizer, a model that answers from a table, and a small policy."""

import math
import re
from collections.abc import Sequence

from deployments.policy import Policy

POLICY = Policy.model_validate(
    {
        "name": "test",
        "version": "1",
        "categories": {
            "violence": {
                "code": "A", "description": "people hurt", "why": "it is violent",
                "action": "block", "block_terms": ["blood bath"], "terms": ["knife"],
            },
            "demeaning": {
                "code": "B", "description": "people mocked", "why": "it demeans",
                "action": "rewrite", "rewrite": "soften", "block_terms": ["oafs"],
            },
            "undressing": {
                "code": "C", "description": "clothes removed", "why": "it undresses",
                "action": "block", "operations": ["edit"],
            },
            "brands": {
                "code": "D", "description": "a brand", "why": "it names a brand",
                "action": "allow", "block_terms": ["acme"],
            },
        },
        "output": {"thresholds": {"violence": 0.5}, "why": {"violence": "it shows violence"}},
    }
)  # fmt: skip


class WordTokenizer:
    """One token per word or other character. With special tokens on, `<|…|>` is one token."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def encode(
        self, text: str, *, add_special_tokens: bool, split_special_tokens: bool
    ) -> list[int]:
        special = "" if split_special_tokens else r"<\|\w+\|>|"
        return [self._id(word) for word in re.findall(rf"{special}\w+|[^\w ]", text)]

    def get_added_vocab(self) -> dict[str, int]:
        return {}

    def text(self, ids: Sequence[int]) -> str:
        return " ".join(self.words[i] for i in ids)

    def _id(self, word: str) -> int:
        if word not in self.words:
            self.words.append(word)
        return self.words.index(word)


class TableModel:
    """Says unsafe where the question shows a word of its table, else safe.

    The table has, per word, P(unsafe) and the probability of each letter behind `unsafe`;
    `mass` is how much of the verdict's probability is on the two answers at all.
    """

    folder = "a folder that has no calibration"

    def __init__(self, table: dict[str, tuple[float, dict[str, float]]], mass: float = 1.0) -> None:
        self.tokenizer = WordTokenizer()
        self.max_tokens = 1024
        self.mass = mass
        self.questions: list[str] = []
        self._table = table

    async def next_token_logprobs(
        self, ids: Sequence[int], token_ids: Sequence[int]
    ) -> dict[int, float]:
        text = self.tokenizer.text(ids)
        self.questions.append(text)
        said = text.rsplit("user", 1)[1]
        found = [entry for word, entry in self._table.items() if word in said.split()]
        unsafe, letters = found[0] if found else (0.001, {})
        if text.split()[-1] in ("unsafe", "\n"):
            answers = letters
        else:
            answers = {"safe": (1 - unsafe) * self.mass, "unsafe": unsafe * self.mass}
        return {token: _log(answers.get(self.tokenizer.words[token], 0.0)) for token in token_ids}


def _log(probability: float) -> float:
    return math.log(probability) if probability else -math.inf
