"""The picture-harm model: (input picture or none, prompt, output picture) to logits per category.

A residual trunk (ResNet, arXiv:1512.03385) reads the pictures. Harm that a picture shows by itself
(violence, nudity, an emblem, a merged figure) is scored from the output picture alone, so no
wording can lower that score. Demeaning association is harmful only together with words: it is
scored from the output, the prompt's token states and the edit's input picture together.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel, ResNetConfig, ResNetModel


class PictureHarmConfig(PretrainedConfig):
    """Shape and calibration.

    Attributes:
        categories: names of the logits, in order.
        related: the category that reads prompt and input picture too.
        crop_categories: those that are scored in crops too.
        size: sides of the model's input pictures, in pixels.
        trunk: overrides of `ResNetConfig`.
        prompt_width, prompt_window: the text encoder's width, and tokens per window.
        width: features of each picture and of the prompt where they are joined.
        calibration: category -> (scale, shift) of its logit, so that 0.5 is the working point.
    """

    model_type = "safelight_picture_harm"

    def __init__(
        self,
        categories: tuple[str, ...] = ("violence", "sexual", "hate", "demeaning"),
        related: str = "demeaning",
        crop_categories: tuple[str, ...] = ("violence", "hate"),
        size: int = 64,
        trunk: dict[str, Any] | None = None,
        prompt_width: int = 384,
        prompt_window: int = 64,
        width: int = 128,
        calibration: dict[str, tuple[float, float]] | None = None,
        **kwargs: Any,
    ) -> None:
        self.categories = tuple(categories)
        self.related = related
        self.crop_categories = tuple(crop_categories)
        self.size = size
        self.trunk = {
            "layer_type": "basic",
            "embedding_size": 32,
            "hidden_sizes": [48, 96, 192],
            "depths": [1, 2, 2],
        } | (trunk or {})
        self.prompt_width = prompt_width
        self.prompt_window = prompt_window
        self.width = width
        self.calibration = calibration or dict.fromkeys(self.categories, (1.0, 0.0))
        super().__init__(**kwargs)


class PictureHarmModel(PreTrainedModel):
    """Calibrated logits of harm; a logit of 0 is a probability of 0.5, the working point."""

    config_class = PictureHarmConfig
    main_input_name = "output"

    def __init__(self, config: PictureHarmConfig) -> None:
        super().__init__(config)
        trunk = ResNetConfig(**config.trunk)
        self.trunk = ResNetModel(trunk)
        features = 2 * trunk.hidden_sizes[-1]
        self.visual = nn.Linear(features, len(config.categories))
        self.shown = nn.Linear(features, config.width)
        self.given = nn.Linear(features, config.width)
        self.reader = AttentionPooling(config.prompt_width, config.width)
        self.relation = nn.Sequential(
            nn.Linear(4 * config.width, config.width), nn.GELU(), nn.Linear(config.width, 1)
        )
        self.related = config.categories.index(config.related)
        self.post_init()

    def forward(
        self,
        output: Tensor,
        prompt: Tensor,
        prompt_mask: Tensor,
        input: Tensor | None = None,
    ) -> Tensor:
        """
        Args:
            output: (B, 3, S, S) in [-1, 1], S the model's input size.
            prompt: (B, L, prompt_width), states of the prompt's tokens.
            prompt_mask: (B, L), 1 where there is a token.
            input: like `output`, the picture that was edited; None where there was none.

        Returns:
            (B, categories), calibrated logits.
        """
        seen = self.features(output)
        before = None if input is None else self.features(input)
        visual, relation = self.parts(seen, prompt, prompt_mask, before)
        return self.joined(visual, relation)

    def features(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] to (B, 2 x trunk width): mean and maximum over all positions."""
        x = self.trunk(pictures).last_hidden_state
        return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)

    def parts(
        self, output: Tensor, prompt: Tensor, prompt_mask: Tensor, input: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Uncalibrated logits: of the output by itself, (B, categories), and with words, (B,).

        `output` and `input` are `features` of the pictures.
        """
        shown = self.shown(output)
        asked = self.reader(prompt, prompt_mask)
        given = torch.zeros_like(shown) if input is None else self.given(input)
        together = torch.cat([shown, asked, shown * asked, given], dim=1)
        return self.visual(output), self.relation(together).squeeze(1)

    def joined(self, visual: Tensor, relation: Tensor) -> Tensor:
        """Calibrated logits, (B, categories); the related category has the higher of its two."""
        columns = list(visual.unbind(dim=1))
        columns[self.related] = torch.maximum(columns[self.related], relation)
        pairs = [self.config.calibration[name] for name in self.config.categories]
        scale, shift = visual.new_tensor(pairs).unbind(dim=1)
        return torch.stack(columns, dim=1) * scale + shift


class AttentionPooling(nn.Module):
    """Pools a sequence with learned attention queries.

    Each query has its own weights over the positions; the pooled values of all queries are joined.
    """

    QUERIES = 4

    def __init__(self, read: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(read)
        self.keys = nn.Linear(read, self.QUERIES)
        self.values = nn.Linear(read, width)
        self.answer = nn.Sequential(nn.GELU(), nn.Linear(self.QUERIES * width, width))

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States (B, L, read) and mask (B, L), 0 at padding, to (B, width)."""
        states = self.norm(states)
        scores = self.keys(states).masked_fill(mask[:, :, None] == 0, float("-inf"))
        answers = scores.softmax(dim=1).transpose(1, 2) @ self.values(states)
        return self.answer(answers.flatten(1))
