"""The embedding CNN: convolutions over a sentence encoder's token states, a score per category.

Kim (2014), "Convolutional Neural Networks for Sentence Classification": filters of several widths,
the maximum over time, one linear layer. The encoder is all-MiniLM-L6-v2 with a LoRA merged in, so
that token states carry harm as well as topic. It knows the categories that it was trained on by
name. It is the cheap first reader; what it is unsure of goes to the language model.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file
from torch import Tensor, nn

from deployments.contracts import GuardRequest
from deployments.errors import ConfigurationError, UnparsableAnswer
from deployments.guard.calibration import Calibration
from deployments.guard.embedding.piece import Piece, Span
from deployments.inference.encoder import TokenEncoder

CONFIG, WEIGHTS = "cnn.json", "cnn.safetensors"
BATCH = 64
"""Windows in one pass."""
PADDING = 4
"""Zero states around the text, so that the widest filter sees its ends."""


class CNNConfig(BaseModel):
    """Shape, beside the weights. `categories` are the outputs after `harmless`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    categories: tuple[str, ...]
    width: int = 384
    spans: tuple[int, ...] = (1, 2, 3, 5)
    filters: int = 96

    @classmethod
    def of_model(cls, folder: Path) -> Self:
        """The configuration of the model in a folder.

        Raises:
            ConfigurationError: the file is missing or does not fit.
        """
        file = folder / CONFIG
        try:
            return cls.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"cannot read {str(file)!r}: {error}") from error


class WindowReading(NamedTuple):
    """What the network says of the window at `span` of the request with index `request`.

    `logit` is log P(unsafe) - log P(safe), `shares` are P(category | unsafe) in their order.
    """

    request: int
    span: Span
    logit: float
    shares: list[float]


class HarmCNN(nn.Module):
    """Token states to logits of `harmless` and of every category."""

    def __init__(self, config: CNNConfig) -> None:
        super().__init__()
        self.spans = config.spans
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.width, config.filters, span) for span in config.spans
        )
        features = config.filters * len(config.spans)
        self.dropout = nn.Dropout(0.2)
        self.output = nn.Linear(features, 1 + len(config.categories))

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Args: states float [N, T, D]; lengths int64 [N] of at least 1. Returns [N, 1 + C]."""
        inside = torch.arange(states.shape[1], device=states.device) < lengths[:, None]
        padded = nn.functional.pad(
            (states * inside[:, :, None]).transpose(1, 2), (PADDING, PADDING)
        )
        pooled = []
        for span, convolution in zip(self.spans, self.convolutions, strict=True):
            out = convolution(padded)
            # A position counts only if its filter touches the text: padding must be no feature.
            place = torch.arange(out.shape[2], device=states.device)
            touches = (place + span > PADDING) & (place < PADDING + lengths[:, None])
            pooled.append(out.masked_fill(~touches[:, None], float("-inf")).amax(2).relu())
        return self.output(self.dropout(torch.cat(pooled, 1)))


class CNNStage:
    """Scores requests; knows nothing of the policy beyond the names of its categories."""

    def __init__(self, folder: str) -> None:
        """`folder` holds the encoder and, beside it, the CNN's configuration and weights.

        Raises:
            ConfigurationError: a file is missing or does not fit.
        """
        path = Path(folder)
        try:
            self.config = CNNConfig.of_model(path)
            self._model = HarmCNN(self.config).eval()
            weights = {name: w.float() for name, w in load_file(path / WEIGHTS).items()}
            self._model.load_state_dict(weights)
            self._encoder = TokenEncoder(path)
            self.calibration = Calibration.of_model(folder)
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfigurationError(f"cannot load the CNN of {folder!r}: {error}") from error

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that it was trained on."""
        return self.config.categories

    def score(self, requests: Sequence[GuardRequest]) -> list[Piece]:
        """Calibrated scores of each window of each request."""
        pieces = []
        for window in self.read(requests):
            unsafe = self.calibration.probability(window.logit)
            shares = zip(self.config.categories, window.shares, strict=True)
            scores = {name: unsafe * share for name, share in shares}
            pieces.append(Piece(window.request, window.span, scores))
        return pieces

    @torch.inference_mode()
    def read(self, requests: Sequence[GuardRequest]) -> list[WindowReading]:
        """What the network says of every window, uncalibrated.

        Raises:
            UnparsableAnswer: a logit is not finite.
        """
        windows = self._encoder.encode([as_text(request) for request in requests])
        found = []
        for start in range(0, len(windows), BATCH):
            chosen = windows[start : start + BATCH]
            lengths = torch.tensor([len(window.states) for window in chosen])
            states = nn.utils.rnn.pad_sequence([w.states for w in chosen], batch_first=True)
            logits = self._model(states, lengths)
            if not bool(logits.isfinite().all()):  # no threshold would stop what is no number
                raise UnparsableAnswer("guard", "its embedding CNN gives no number")
            verdicts = logits[:, 1:].logsumexp(1) - logits[:, 0]
            shares = logits[:, 1:].softmax(1)
            found += [
                WindowReading(window.text, Span.of(window), float(verdict), share.tolist())
                for window, verdict, share in zip(chosen, verdicts, shares, strict=True)
            ]
        return found


def as_text(request: GuardRequest) -> str:
    """The request as the one text that the encoder reads, in training and in serving.

    The prompt cannot imitate the bar that parts it from what is to be avoided.
    """
    opening = "edit the picture: " if request.operation == "edit" else ""
    avoided = f" | avoid: {request.negative_prompt}" if request.negative_prompt else ""
    return f"{opening}{request.prompt.replace('|', ',')}{avoided}"


def write(folder: Path, config: CNNConfig, model: HarmCNN) -> None:
    """Writes configuration and bfloat16 weights."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {n: w.detach().bfloat16().cpu().contiguous() for n, w in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    text = json.dumps(config.model_dump(), indent=1)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
