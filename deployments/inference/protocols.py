"""What a service asks of a language model and of its tokenizer.

`language_model.LanguageModel` is such a model, on vLLM, and the tokenizers of `transformers` are
such tokenizers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from PIL.Image import Image


class Tokenizer(Protocol):
    """Text to token ids, and a message to the text of the model's own chat template."""

    @property
    def eos_token_id(self) -> int | None:
        """The token that ends an answer."""

    def encode(
        self, text: str, *, add_special_tokens: bool, split_special_tokens: bool
    ) -> list[int]:
        """With `split_special_tokens`, a special token in `text` is read as its letters."""

    def get_added_vocab(self) -> dict[str, int]:
        """The tokens that are not of the trained vocabulary: all control tokens are among them."""

    def apply_chat_template(
        self,
        conversation: list[dict[str, Any]],
        *,
        tokenize: Literal[False],
        add_generation_prompt: bool,
        **arguments: Any,
    ) -> str:
        """The conversation in the chat template. A template raises whatever it likes."""


class CausalLM(Protocol):
    """A language model that continues token ids. All methods raise StageFailed when it cannot."""

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def max_tokens(self) -> int:
        """The most tokens that a question and its answer have together."""

    async def next_token_logprobs(
        self, ids: Sequence[int], token_ids: Sequence[int]
    ) -> dict[int, float]:
        """Log-probability of each of `token_ids` as the token after `ids`."""

    async def complete(
        self,
        ids: Sequence[int],
        max_tokens: int,
        *,
        temperature: float = 0.0,
        seed: int | None = None,
        stop_token_ids: Sequence[int] = (),
        schema: Mapping[str, Any] | None = None,
        images: Sequence[Image] = (),
    ) -> str | None:
        """The text that follows `ids`; None if `max_tokens` cut it off."""
