"""Text conditioning: the last hidden states of all-MiniLM-L6-v2, as the pipeline computes them."""

from collections.abc import Sequence

from torch import Tensor

from deployments.inference.encoder import SPECIAL_TOKENS, TokenEncoder

LENGTH = 64
"""Tokens per caption, padding included; the pipeline's tokenizer has it as model_max_length."""
WIDTH = 384


class TextEncoder(TokenEncoder):
    """Captions to frozen token states; of a longer caption only its first window is read."""

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(window=LENGTH - SPECIAL_TOKENS, overlap=0, device=device)

    def __call__(self, captions: Sequence[str]) -> Tensor:
        """(len(captions), 64, 384) states in float32 or, under autocast, what that gives.

        Padding is masked inside the encoder; the states at padded places are kept, because
        StableDiffusionPipeline hands them to the U-Net too.
        """
        return self.states(self._read(captions), LENGTH)[0]

    def lengths(self, captions: Sequence[str]) -> list[int]:
        """Tokens that are read of each caption, special ones included, padding not."""
        return [len(ids) for ids in self._read(captions)]

    def _read(self, captions: Sequence[str]) -> list[list[int]]:
        return [self.windows(caption)[0] for caption in captions]
