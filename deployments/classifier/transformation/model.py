"""The transformation model: (input picture, instruction, output picture) to what the edit did.

One residual trunk (ResNet, arXiv:1512.03385) reads both pictures. A comparison of its features says
which harm came in and which attributes of the person (here called looks) changed; a look is also
classified in each picture. Attention pooling reads the instruction and says what was asked for.

Both are joined: a harm that came in counts whatever the words; a body bared counts as sexual only
if the words ask to undress, another skin tone as demeaning only if they mock; a look that changed
counts as unasked only if the words do not ask for it.
"""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel, ResNetConfig, ResNetModel

from deployments.classifier.standalone.model import AttentionPooling

BARED, UNDRESS, MOCK = "bared", "undress", "mock"
LIMIT = 12.0
"""Log-odds of disagreement are cut at this magnitude."""
Looks: TypeAlias = Sequence[tuple[str, Sequence[str]]]
IDENTITY: Looks = (
    ("gender", ("man", "woman")),
    ("skin", ("pale", "light", "olive", "tan", "brown", "dark")),
    ("build", ("slim", "average", "heavy")),
    ("hair_colour", ("black", "brown", "blond", "red", "grey")),
    ("hair_style", ("short", "beard", "bald", "long", "bun", "curly")),
)
"""The looks of a person in the miniature world, each with its values."""


class TransformationConfig(PretrainedConfig):
    """Shape and calibration.

    Attributes:
        categories: kinds of harm, names of the first logits.
        looks: pairs of an attribute that must not change unasked, and its values.
        size: sides of the model's input pictures, in pixels.
        trunk: overrides of `ResNetConfig`.
        prompt_width, prompt_window: the text encoder's width, and tokens per window.
        width: features of the instruction, and of the comparison's hidden layer.
        calibration: name -> (scale, shift) of its logit, so that 0.5 is the working point.
    """

    model_type = "safelight_transformation"

    def __init__(
        self,
        categories: tuple[str, ...] = ("violence", "sexual", "hate", "demeaning"),
        looks: Looks = IDENTITY,
        size: int = 64,
        trunk: dict[str, Any] | None = None,
        prompt_width: int = 384,
        prompt_window: int = 64,
        width: int = 96,
        calibration: dict[str, tuple[float, float]] | None = None,
        **kwargs: Any,
    ) -> None:
        self.categories = tuple(categories)
        # Pairs, since the file of a configuration has its keys sorted.
        self.looks = tuple((name, tuple(values)) for name, values in looks)
        self.size = size
        self.trunk = {
            "layer_type": "basic",
            "embedding_size": 32,
            "hidden_sizes": [48, 96, 160],
            "depths": [1, 2, 1],
        } | (trunk or {})
        self.prompt_width = prompt_width
        self.prompt_window = prompt_window
        self.width = width
        self.calibration = calibration or dict.fromkeys(self.names, (1.0, 0.0))
        super().__init__(**kwargs)

    @property
    def identity(self) -> tuple[str, ...]:
        """Names of the looks: of the logits after those of harms."""
        return tuple(name for name, _ in self.looks)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all logits, in order."""
        return (*self.categories, *self.identity)

    @property
    def seen(self) -> tuple[str, ...]:
        """Names of what is seen in the pictures: harms, changed looks, a body bared."""
        return (*self.names, BARED)

    @property
    def said(self) -> tuple[str, ...]:
        """Names of what is said in the instruction: looks to be changed, and two intents."""
        return (*self.identity, UNDRESS, MOCK)


class TransformationModel(PreTrainedModel):
    """Calibrated logits of harm and of unasked change; 0 is the working point."""

    config_class = TransformationConfig
    main_input_name = "after"

    def __init__(self, config: TransformationConfig) -> None:
        super().__init__(config)
        trunk = ResNetConfig(**config.trunk)
        self.trunk = ResNetModel(trunk)
        self.trunk.embedder.pooler = nn.Identity()  # pooling would lose the hair, a few pixels wide
        channels = trunk.hidden_sizes[-1]
        self.places = AttentionPooling(channels, config.width)
        width = 2 * channels + config.width
        self.compared = nn.Sequential(
            nn.Linear(3 * width, config.width), nn.GELU(), nn.Linear(config.width, len(config.seen))
        )
        self.looks = nn.Linear(width, sum(len(values) for _, values in config.looks))
        self.reader = AttentionPooling(config.prompt_width, config.width)
        self.said = nn.Sequential(nn.GELU(), nn.Linear(config.width, len(config.said)))
        self.post_init()

    def forward(self, before: Tensor, after: Tensor, prompt: Tensor, prompt_mask: Tensor) -> Tensor:
        """
        Args:
            before, after: (B, 3, S, S) in [-1, 1], S the model's input size.
            prompt: (B, L, prompt_width), states of the instruction's tokens.
            prompt_mask: (B, L), 1 where there is a token.

        Returns:
            (B, names), calibrated logits.
        """
        return self.joined(*self.parts(before, after, prompt, prompt_mask))

    def parts(
        self, before: Tensor, after: Tensor, prompt: Tensor, prompt_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Uncalibrated logits of what is seen, (B, seen), and of what is said, (B, said)."""
        seen, _ = self.sight(before, after)
        return seen, self.said(self.reader(prompt, prompt_mask))

    def sight(
        self, before: Tensor, after: Tensor
    ) -> tuple[Tensor, dict[str, tuple[Tensor, Tensor]]]:
        """Uncalibrated logits of what is seen, (B, seen), and of each look's values.

        The latter by name of the look, a pair: (B, values) before and (B, values) after.
        """
        found = self._features(torch.cat([before, after]))
        then, now = found.chunk(2)
        compared = self.compared(torch.cat([then, now, now - then], dim=1))
        sizes = [len(values) for _, values in self.config.looks]
        parts = (half.split(sizes, dim=1) for half in self.looks(found).chunk(2))
        looks = dict(zip(self.config.identity, zip(*parts, strict=True), strict=True))
        columns = dict(zip(self.config.seen, compared.unbind(dim=1), strict=True))
        for name, (one, other) in looks.items():
            columns[name] = columns[name] + disagreement(one, other)
        return torch.stack(list(columns.values()), dim=1), looks

    def _features(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, features): mean, maximum and attention pooling over all positions."""
        x = self.trunk(pictures).last_hidden_state.flatten(2).transpose(1, 2)
        asked = self.places(x, torch.ones(x.shape[:2], device=x.device))
        return torch.cat([x.mean(dim=1), x.amax(dim=1), asked], dim=1)

    def joined(self, seen: Tensor, said: Tensor) -> Tensor:
        """Calibrated logits, (B, names): harm that is seen or meant, and unasked changes."""
        config = self.config
        sight = dict(zip(config.seen, seen.unbind(dim=1), strict=True))
        words = dict(zip(config.said, said.unbind(dim=1), strict=True))
        meant = {
            "sexual": torch.minimum(sight[BARED], words[UNDRESS]),
            "demeaning": torch.minimum(sight["skin"], words[MOCK]),
        }
        found = [
            torch.maximum(sight[name], meant[name]) if name in meant else sight[name]
            for name in config.categories
        ]
        found += [torch.minimum(sight[name], -words[name]) for name in config.identity]
        pairs = [config.calibration[name] for name in config.names]
        scale, shift = seen.new_tensor(pairs).unbind(dim=1)
        return torch.stack(found, dim=1) * scale + shift


def disagreement(one: Tensor, other: Tensor) -> Tensor:
    """Log-odds, (B,), that a look has another value after than before.

    The probability that the values agree is taken as the cosine of both distributions: where a look
    is as doubtful after as before, it has not changed.

    Args:
        one, other: logits of the values, (B, values), before and after.
    """
    then, now = one.float().softmax(dim=1), other.float().softmax(dim=1)
    same = functional.cosine_similarity(then, now).clamp(math.exp(-LIMIT), 1 - math.exp(-LIMIT))
    return torch.log1p(-same) - same.log()
