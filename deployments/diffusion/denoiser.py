"""The denoiser's own calls, overheard, so that steering can ask one again with other text."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from deployments.diffusion.text import Pipeline, Text
from deployments.errors import StageFailed


class Overheard:
    """The first denoiser call of the present step.

    It is the one that reads the prompt, in its last row: pipelines with guidance in one batch put
    the negative prompt before it, pipelines with two calls ask for the prompt first.
    """

    def __init__(self, denoiser: torch.nn.Module) -> None:
        self._denoiser = denoiser
        self._call: tuple[tuple[Any, ...], dict[str, Any], torch.Tensor] | None = None

    def forget(self) -> None:
        """Ends the step; the next call is the next step's."""
        self._call = None

    def asked_again(self, text: Text) -> tuple[torch.Tensor, torch.Tensor]:
        """The answer to the prompt, and the answer to `text` at the same latent and time.

        Returns:
            Two tensors (1, ...) in the denoiser's dtype.
        """
        if self._call is None:
            raise StageFailed("diffusion", "steering found no denoiser call to start from")
        args, kwargs, output = self._call
        rows = len(output)
        with torch.no_grad():
            answer = self._denoiser(
                *(_last_row(value, rows) for value in args),
                **_with_text(
                    {name: _last_row(value, rows) for name, value in kwargs.items()}, text
                ),
            )
        return output[-1:], _tensor(answer)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Overhears the denoiser within the block."""
        hook = self._denoiser.register_forward_hook(self._hear, with_kwargs=True)
        try:
            yield
        finally:
            hook.remove()

    def _hear(
        self, _: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        if self._call is None:
            self._call = args, kwargs, _tensor(output)


def denoiser_of(pipeline: Pipeline) -> torch.nn.Module:
    """The pipeline's U-Net or transformer."""
    denoiser = getattr(pipeline, "unet", None)
    return denoiser if denoiser is not None else pipeline.transformer


def _tensor(output: Any) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output.sample


def _last_row(value: Any, rows: int) -> Any:
    if isinstance(value, dict):
        return {name: _last_row(inner, rows) for name, inner in value.items()}
    batched = isinstance(value, torch.Tensor) and value.ndim > 0 and len(value) == rows
    return value[-1:] if batched else value


def _with_text(kwargs: dict[str, Any], text: Text) -> dict[str, Any]:
    """The denoiser's arguments with the text exchanged, in each family's names for it."""
    changed = kwargs | {"encoder_hidden_states": text.embeds}
    if "pooled_projections" in kwargs:
        changed["pooled_projections"] = text.pooled
    if "txt_ids" in kwargs:
        changed["txt_ids"] = kwargs["txt_ids"].new_zeros(text.embeds.shape[1], 3)
    if "text_embeds" in (added := kwargs.get("added_cond_kwargs") or {}):
        changed["added_cond_kwargs"] = added | {"text_embeds": text.pooled}
    return changed
