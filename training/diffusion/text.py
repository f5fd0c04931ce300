"""Text conditioning: the last hidden states of all-MiniLM-L6-v2, as the pipeline computes them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import BertModel, BertTokenizerFast

from deployments.inference.embedded.diffusion import minilm

LENGTH = 64
"""Tokens per caption, padding included; the pipeline's tokenizer has it as model_max_length."""
WIDTH = 384


class TextEncoder:
    """Captions to frozen token states, on `device`."""

    def __init__(self, device: str = "cpu") -> None:
        self.tokenizer = BertTokenizerFast.from_pretrained(minilm(), model_max_length=LENGTH)
        self.model = BertModel.from_pretrained(minilm())
        self.model.requires_grad_(False).eval().to(device)

    @torch.inference_mode()
    def __call__(self, captions: Sequence[str]) -> Tensor:
        """(len(captions), 64, 384) states in float32 or, under autocast, what that gives.

        Padding is masked inside the encoder; the states at padded places are kept, because
        StableDiffusionPipeline hands them to the U-Net too.
        """
        tokens = self.tokenizer(
            list(captions),
            padding="max_length",
            max_length=LENGTH,
            truncation=True,
            return_tensors="pt",
        ).to(self.model.device)
        return self.model(tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state
