"""A question to a language model: fixed words around a request.

No text of a user becomes a control token: `PromptTemplate.plain` is the one place that sees to it.
Every other template of the services is a `PromptTemplate` and only says its words.
"""

import re
from collections.abc import Iterable

from deployments.inference.protocols import Tokenizer


class PromptTemplate:
    """Token ids of a question. Fixed words and user text are tokenised apart.

    Attributes:
        prefix_ids: what precedes the request. It is equal for all requests, so a prefix cache
            computes it once.
    """

    def __init__(self, tokenizer: Tokenizer, before: str, after: str) -> None:
        """
        Args:
            before, after: the fixed words on both sides of the request; control tokens in them are
                read as such.
        """
        self._tokenizer = tokenizer
        self._added = any_of(token for token in tokenizer.get_added_vocab() if len(token) > 1)
        self.prefix_ids, self._suffix_ids = self.control(before), self.control(after)

    def around(self, request: list[int]) -> list[int]:
        """Token ids of the whole question, up to the answer's first token."""
        return self.prefix_ids + request + self._suffix_ids

    def control(self, text: str) -> list[int]:
        """Token ids of our own words; control tokens in them are read as such."""
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=False)

    def user(self, text: str) -> list[int]:
        """Token ids of a user's text on one line, so that it cannot imitate lines of ours."""
        return self.plain(" ".join(text.split()))

    def plain(self, text: str) -> list[int]:
        """Token ids of any text, none of them an added token: `<|im_end|>` is ten letters.

        `split_special_tokens` alone is not enough. It leaves those added tokens whole that are not
        special (Qwen's `</think>`). So the text is cut behind the first letter of each added token,
        and the pieces are encoded one by one.
        """
        ids, start = [], 0
        while added := self._added.search(text, start):
            ids += self._letters(text[start : added.start() + 1])
            start = added.start() + 1
        return ids + self._letters(text[start:])

    def _letters(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)


def any_of(texts: Iterable[str], flags: int = 0) -> re.Pattern[str]:
    """A pattern that matches each of `texts`, longer ones first; nothing if there are none."""
    alternatives = sorted(map(re.escape, texts), key=len, reverse=True)
    return re.compile("|".join(alternatives) or r"(?!)", flags)
