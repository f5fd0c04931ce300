"""The training loop of all picture models: AdamW, a moving average of the weights, checkpoints.

A training lasts a time and trains the whole model; `training.language.finetune` trains a LoRA.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from training.checkpoints import load_checkpoint, save_checkpoint
from training.learning_rate import LearningRate

Model = TypeVar("Model", bound=nn.Module)
CPU = torch.device("cpu")
BETAS = (0.9, 0.99)
EMA_DECAY = 0.998
SAVE_EVERY = 120.0
"""Seconds between checkpoints."""
_PARTS = ("model", "average", "optimizer")


class Fit(Generic[Model]):
    """A model in training.

    Args:
        model: is changed in place.
        path: of the checkpoint.
        weight_decay: of AdamW.
        resume: goes on from the checkpoint, if there is one.
        device: where the model is trained.

    Attributes:
        average: moving average of the weights.
        step: number of updates so far.
        elapsed: seconds of training so far (`_spent`), earlier runs counted in.
    """

    def __init__(
        self,
        model: Model,
        path: Path,
        weight_decay: float,
        resume: bool,
        device: torch.device = CPU,
    ) -> None:
        self.model, self.path, self.device = model, path, device
        nn.Module.to(model, device)
        self.average = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True
        )
        self.optimizer = torch.optim.AdamW(
            model.parameters(), betas=BETAS, weight_decay=weight_decay, fused=True
        )
        self.step, self.elapsed = 0, 0.0
        if resume and path.is_file():
            state = load_checkpoint(path)
            for name in _PARTS:
                getattr(self, name).load_state_dict(state[name])
            self.step, self.elapsed = state["step"], state["elapsed"]

    def run(
        self,
        loss: Callable[[int], Tensor],
        rate: LearningRate,
        saved: Callable[[], None] = lambda: None,
    ) -> float:
        """Trains until the rate's budget of seconds is spent.

        Args:
            loss: number of the step -> scalar to be made smaller.
            rate: of learning, by time.
            saved: is called after every checkpoint.

        Returns:
            the loss at the end, smoothed over 100 steps.
        """
        offset, began, last = self.elapsed, _spent(self.device), time.monotonic()
        smoothed = torch.zeros((), device=self.device)
        first = self.step
        self.model.train()
        with tqdm(total=int(rate.budget), initial=int(offset), unit="s", mininterval=5) as bar:
            while self.elapsed < rate.budget:
                value = loss(self.step)
                self._update(value, rate.at(self.elapsed))
                self.elapsed = offset + _spent(self.device) - began
                smoothed += (value.detach() - smoothed) * max(0.01, 1 / (self.step - first))
                if int(self.elapsed) > bar.n:  # reading the loss waits for the device
                    bar.set_postfix(step=self.step, loss=f"{smoothed.item():.4f}", refresh=False)
                    bar.update(int(self.elapsed) - bar.n)
                if time.monotonic() - last > SAVE_EVERY:
                    last = time.monotonic()
                    self.save()
                    saved()
        self.save()
        saved()
        return smoothed.item()

    def averaged(self, fresh: Model) -> Model:
        """`fresh` with the averaged weights, on the CPU, in evaluation mode."""
        fresh.load_state_dict(self.average.module.state_dict())
        return fresh.eval()

    def save(self) -> None:
        """Writes the checkpoint."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        save_checkpoint(self.path, parts | {"step": self.step, "elapsed": self.elapsed})

    def _update(self, value: Tensor, rate: float) -> None:
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        self.step += 1


def _spent(device: torch.device) -> float:
    """Seconds of work: CPU time per thread on a CPU, the clock's time elsewhere.

    CPU time makes a training on a busy machine longer, and not worse.
    """
    if device.type == "cpu":
        return time.process_time() / torch.get_num_threads()
    return time.monotonic()
