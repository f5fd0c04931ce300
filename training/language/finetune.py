"""Fine-tunes SmolLM2 by a LoRA, for guard and rewriter: on packs of prompts, with checkpoints.

`training.fit` trains whole picture models for a time and averages their weights; here the base
stays as it is, a run has a number of steps, and worker processes may make the packs.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import torch
from peft import PeftModel
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from training.language.adapter import answer_loss, export, restore, save, with_lora
from training.language.packing import Pack, stack

WARM_UP = 20
"""Steps in which the rate rises."""
EVERY = 200
"""Steps between checkpoints."""
DEFAULTS: Mapping[str, object] = {
    "minutes": float("inf"), "threads": 1, "batch": 1, "workers": 0, "device": "cpu",
}  # fmt: skip
"""Of the options that guard and rewriter share."""


@dataclass(frozen=True)
class Settings:
    """How long, how fast and on what a LoRA is trained.

    The rate rises over 20 steps to `rate` and falls linearly to a twentieth of it, by steps or by
    minutes, whichever is nearer its end. A step has `batch` packs, made by `workers` processes (0:
    by the training process).
    """

    steps: int
    rate: float
    minutes: float
    threads: int
    batch: int
    workers: int
    device: str

    @classmethod
    def of(cls, args: argparse.Namespace) -> Self:
        """The settings that the parsed options ask for."""
        return cls(**{field.name: getattr(args, field.name) for field in fields(cls)})

    def rate_at(self, step: int, elapsed: float) -> float:
        """The learning rate of a step, `elapsed` seconds after the start."""
        left = 1.0 - max(step / self.steps, elapsed / (60 * self.minutes))
        return self.rate * min((step + 1) / WARM_UP, 0.05 + 0.95 * max(left, 0.0))


class _Steps(Dataset[Pack]):
    """The packs of each step as one batch; pack i is the same in every run."""

    def __init__(self, packs: Callable[[int], Pack], settings: Settings) -> None:
        self._packs, self._settings = packs, settings

    def __len__(self) -> int:
        return self._settings.steps

    def __getitem__(self, step: int) -> Pack:
        first = step * self._settings.batch
        return stack([self._packs(first + i) for i in range(self._settings.batch)])


def finetune(
    base: Path, packs: Callable[[int], Pack], settings: Settings, *, run: Path, out: Path
) -> None:
    """Trains a LoRA on packs 0, 1, ..., from the checkpoint in `run` if there is one, into `out`.

    `packs` must give the same pack for the same index; with workers it must be picklable.
    """
    torch.manual_seed(0)
    torch.set_num_threads(settings.threads)
    model = with_lora(base).to(settings.device)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.0)
    first = restore(run / "checkpoint.pt", model, optimizer)
    steps = range(first, settings.steps)
    loader = DataLoader(
        _Steps(packs, settings), batch_size=None, sampler=steps, num_workers=settings.workers
    )
    started, mean = time.monotonic(), float("nan")
    bar = tqdm(loader, initial=first, total=settings.steps, mininterval=10)
    for step, batch in zip(steps, bar, strict=True):
        rate = settings.rate_at(step, time.monotonic() - started)
        loss = _update(model, optimizer, batch.to(settings.device), rate)
        if step == first or step % 10 == 0:  # reading the loss waits for an accelerator
            mean = loss.item() if step == first else 0.9 * mean + 0.1 * loss.item()
            bar.set_postfix(loss=f"{mean:.3f}", refresh=False)
        late = time.monotonic() - started > 60 * settings.minutes
        if late or (step + 1) % EVERY == 0 or step + 1 == settings.steps:
            save(run / "checkpoint.pt", model, optimizer, step + 1)
            export(model, out)
        if late:
            break


def _update(model: PeftModel, optimizer: torch.optim.Optimizer, batch: Pack, rate: float) -> Tensor:
    """One step; the loss per prompt before it."""
    (group,) = optimizer.param_groups
    group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(batch.ids.device.type, torch.bfloat16):
        loss = answer_loss(model, batch) / batch.prompts
    loss.backward()
    torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
    optimizer.step()
    return loss
