"""The noise-aware head: how harmful is the clean latent that the denoiser predicts right now?

A small convolutional network of the predicted clean latent and the timestep. Violence, nudity and
emblems are read from the latent alone, so that no wording of a prompt hides them. Only demeaning
association reads the prompt too: the same picture may or may not be demeaning. All activations are
smooth (SiLU), because steering follows the gradient.
"""

import json
import math
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from deployments.errors import ConfigurationError

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FREQUENCIES = 32


class HeadConfig(BaseModel):
    """The head's shape, kept beside its weights as `config.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    categories: tuple[str, ...] = Field(min_length=1)
    prompted: str | None = Field(None, description="the category that reads the prompt, or none")
    latent_channels: int = Field(8, ge=1)
    prompt_width: int = Field(384, ge=1)
    width: int = Field(64, ge=8, multiple_of=8)
    blocks: tuple[int, ...] = Field((3, 2), min_length=1, description="per resolution, halved each")


class HarmHead(nn.Module):
    """Logits per category of a noisy trajectory's predicted clean latent."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        self._prompted = (
            config.categories.index(config.prompted) if config.prompted is not None else None
        )
        width, when = config.width, 2 * config.width
        self.time = nn.Sequential(
            nn.Linear(2 * FREQUENCIES, when), nn.SiLU(), nn.Linear(when, when), nn.SiLU()
        )
        self.stem = nn.Conv2d(config.latent_channels, width, 3, padding=1)
        self.body = nn.ModuleList()
        for level, count in enumerate(config.blocks):
            if level:
                self.body.append(_Halve(width, 2 * width))
                width *= 2
            self.body.extend(_Block(width, when) for _ in range(count))
        self.norm = nn.GroupNorm(8, width)
        self.seen = nn.Linear(2 * width, len(config.categories))
        if self._prompted is not None:
            self.prompt = nn.Sequential(
                nn.LayerNorm(config.prompt_width), nn.Linear(config.prompt_width, width), nn.SiLU()
            )
            self.shown = nn.Linear(2 * width, width)
            self.relation = nn.Sequential(
                nn.Linear(3 * width, width), nn.SiLU(), nn.Linear(width, 1)
            )

    @property
    def categories(self) -> tuple[str, ...]:
        """The names of the logits, in order."""
        return self.config.categories

    def forward(self, clean: Tensor, timestep: Tensor, prompt: Tensor) -> Tensor:
        """
        Args:
            clean: predicted clean latent, (B, C, H, W), float32.
            timestep: (B,), from 0 (clean) to 1000 (noise).
            prompt: (B, width) or (1, width), float32, the mean of the prompt's token states.

        Returns:
            (B, categories), logits; 0 is as likely harmful as not.
        """
        when = self.time(_waves(timestep))
        x = self.stem(clean)
        for part in self.body:
            x = part(x, when) if isinstance(part, _Block) else part(x)
        x = functional.silu(self.norm(x)).flatten(2)
        # The mean sees what is spread over the picture, the maximum what stands out in one place.
        pooled = torch.cat([x.mean(dim=2), _soft_maximum(x)], dim=1)
        logits = self.seen(pooled)
        if self._prompted is None:
            return logits
        asked = self.prompt(prompt).expand(len(pooled), -1)
        shown = self.shown(pooled)
        relation = self.relation(torch.cat([asked, shown, asked * shown], dim=1)).squeeze(1)
        columns = list(logits.unbind(dim=1))
        # Demeaning by itself (a merged figure), or together with the prompt's words.
        columns[self._prompted] = torch.logaddexp(columns[self._prompted], relation)
        return torch.stack(columns, dim=1)


class _Block(nn.Module):
    """A pre-activation residual block, scaled and shifted by the time (Dhariwal & Nichol, 2021)."""

    def __init__(self, width: int, when: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in range(2))
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.modulation = nn.Linear(when, 2 * width)

    def forward(self, x: Tensor, when: Tensor) -> Tensor:
        scale, shift = self.modulation(when)[:, :, None, None].chunk(2, dim=1)
        y = self.convolutions[0](functional.silu(self.norms[0](x)))
        y = self.norms[1](y) * (1 + scale) + shift
        return x + self.convolutions[1](functional.silu(y))


class _Halve(nn.Conv2d):
    """Half the resolution; sizes that are odd are rounded up."""

    def __init__(self, width: int, wider: int) -> None:
        super().__init__(width, wider, 3, stride=2, padding=1)


def _soft_maximum(x: Tensor) -> Tensor:
    """A smooth maximum over the last axis: the mean weighted by softmax."""
    return (x * x.softmax(dim=-1)).sum(dim=-1)


def _waves(timestep: Tensor) -> Tensor:
    """(B,) from 0 to 1000 to (B, 2 x FREQUENCIES) sines and cosines."""
    powers = torch.arange(FREQUENCIES, device=timestep.device) / FREQUENCIES
    angles = timestep[:, None] * torch.exp(-math.log(1000.0) * powers)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def load_head(folder: str | Path) -> HarmHead:
    """The head in float32, in evaluation mode, its weights frozen.

    Raises:
        ConfigurationError: a file is missing, or configuration and weights do not fit.
    """
    try:
        text = (Path(folder) / CONFIG).read_text(encoding="utf-8")
        head = HarmHead(HeadConfig.model_validate_json(text))
        weights = load_file(Path(folder) / WEIGHTS)
        head.load_state_dict({name: value.float() for name, value in weights.items()})
    except (OSError, ValidationError, SafetensorError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"cannot load the head in {str(folder)!r}: {error}") from error
    return head.requires_grad_(False).eval()


def save_head(head: HarmHead, folder: Path) -> None:
    """Writes configuration and weights (bf16)."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.bfloat16().contiguous() for name, value in head.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    text = json.dumps(head.config.model_dump(mode="json"), indent=2)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
