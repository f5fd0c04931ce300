"""The denoiser of one generation: its calls are asked of the engine, some with a safety branch.

The branch is one more row: the prompt's row, at the same latent and time, with other text. It runs
in the same call as the step's other rows wherever its text is as long as the prompt's.
"""

from collections.abc import Hashable
from typing import Any

import torch

from deployments.diffusion.engine.calls import Ask, Asking, Call, apart, call_of, joined, one_row
from deployments.diffusion.steering.moment import Contrast
from deployments.diffusion.text import Pipeline, Text
from deployments.errors import StageFailed


class Denoiser(Asking):
    """A pipeline's denoiser for one generation.

    A pipeline calls it once or twice in a step and does not say where the step begins; its owner
    does. So a step is `begin_step`, then the pipeline's calls, then `contrast`.

    Args:
        prompt_first: whether the prompt's row is the first of a call, and not the last.

    Attributes:
        rows: how many were asked for, those of branches too.
    """

    def __init__(self, model: Any, ask: Ask, lane: Hashable, *, prompt_first: bool = False) -> None:
        super().__init__(model, ask, lane)
        self.rows = 0
        self._prompt_first = prompt_first
        self._branch: Text | None = None
        self._contrast: Contrast | None = None

    def begin_step(self, branch: Text | None) -> None:
        """The next call is the first of a step, with a row for the text of a safety branch."""
        self._branch, self._contrast = branch, None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = call_of(self._model, args, kwargs, self._lane)
        self.rows += call.rows
        # The first call of a step reads the prompt, in its last row: pipelines with guidance in one
        # batch put the negative prompt before it, those with two calls ask for the prompt first.
        # Only InstructPix2Pix begins its batch of three with it.
        if self._branch is None or self._contrast is not None:
            return self._ask(call)
        self.rows += 1
        place = 0 if self._prompt_first else call.rows - 1
        branch = with_text(one_row(call, place), self._branch)
        if branch.bucket == call.bucket:
            output, other = apart(self._ask(joined([call, branch])), [call.rows, 1])
        else:
            output, other = self._ask(call), self._ask(branch)
        self._contrast = Contrast(_tensor(output)[place : place + 1], _tensor(other))
        return output

    @property
    def contrast(self) -> Contrast | None:
        """What this step answered to the prompt and to the branch's text; None: it has no branch.

        Raises:
            StageFailed: the step has a branch, and the pipeline did not call the denoiser.
        """
        if self._branch is not None and self._contrast is None:
            raise StageFailed("diffusion", "steering found no answer of a safety branch")
        return self._contrast


def denoiser_name(pipeline: Pipeline) -> str | None:
    """The attribute under which the pipeline has its U-Net or transformer; None: it has neither."""
    names = ("unet", "transformer")
    return next((name for name in names if getattr(pipeline, name, None) is not None), None)


def with_text(call: Call, text: Text) -> Call:
    """A call of one row with another text, under the names that each family has for it."""
    kwargs = dict(call.kwargs)
    changed = kwargs | {"encoder_hidden_states": text.embeds}
    if "pooled_projections" in kwargs:
        changed["pooled_projections"] = text.pooled
    if "txt_ids" in kwargs:
        changed["txt_ids"] = kwargs["txt_ids"].new_zeros(text.embeds.shape[1], 3)
    if "text_embeds" in (added := kwargs.get("added_cond_kwargs") or {}):
        changed["added_cond_kwargs"] = added | {"text_embeds": text.pooled}
    return Call(call.model, call.args, changed, call.rows, call.lane)


def _tensor(output: Any) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output.sample
