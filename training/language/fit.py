"""The training loop that guard and rewriter share: AdamW on a LoRA, resumable, exporting."""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from training.language.adapter import (
    answer_loss,
    export,
    restore,
    save,
    with_lora,
)
from training.language.packing import Pack, stack

WARM_UP = 20
EVERY = 200
"""Steps between checkpoints."""


@dataclass(frozen=True)
class Schedule:
    """How long, how fast, and on what.

    The rate rises over 20 steps and falls linearly to a twentieth, by steps or by minutes,
    whichever is nearer its end. `batch` packs make a step, written by `workers` processes beside
    the training (0: by itself).
    """

    steps: int
    rate: float
    minutes: float
    threads: int
    batch: int = 1
    workers: int = 0
    device: str = "cpu"

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser, steps: int, rate: float) -> None:
        """The command-line options of a schedule, with these defaults."""
        parser.add_argument("--steps", type=int, default=steps)
        parser.add_argument("--rate", type=float, default=rate, help="peak learning rate")
        parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after")
        parser.add_argument("--threads", type=int, default=1)
        parser.add_argument("--batch", type=int, default=1, help="packs in a step")
        parser.add_argument("--workers", type=int, default=0, help="processes that write packs")
        parser.add_argument("--device", default="cpu", help="as torch names it, e.g. cuda")

    @classmethod
    def of(cls, args: argparse.Namespace) -> Self:
        """The schedule that the parsed options ask for."""
        return cls(
            args.steps,
            args.rate,
            args.minutes,
            args.threads,
            args.batch,
            args.workers,
            args.device,
        )

    def at(self, step: int, elapsed: float) -> float:
        """The learning rate of a step, `elapsed` seconds after the start."""
        left = 1.0 - max(step / self.steps, elapsed / (60 * self.minutes))
        return self.rate * min((step + 1) / WARM_UP, 0.05 + 0.95 * max(left, 0.0))


class _Steps(Dataset[Pack]):
    """The packs of each step as one batch; pack i is the same in every run."""

    def __init__(self, packs: Callable[[int], Pack], schedule: Schedule) -> None:
        self._packs, self._schedule = packs, schedule

    def __len__(self) -> int:
        return self._schedule.steps

    def __getitem__(self, step: int) -> Pack:
        first = step * self._schedule.batch
        return stack([self._packs(first + i) for i in range(self._schedule.batch)])


def fit(
    base: Path, packs: Callable[[int], Pack], schedule: Schedule, *, run: Path, out: Path
) -> None:
    """Trains a LoRA on packs 0, 1, ..., from the checkpoint in `run` if there is one, into `out`.

    `packs` must give the same pack for the same index; with workers it must be picklable.
    """
    torch.manual_seed(0)
    torch.set_num_threads(schedule.threads)
    model = with_lora(base).to(schedule.device)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.0)
    first = restore(run / "checkpoint.pt", model, optimizer)
    steps = range(first, schedule.steps)
    loader = DataLoader(
        _Steps(packs, schedule), batch_size=None, sampler=steps, num_workers=schedule.workers
    )
    started, mean = time.monotonic(), float("nan")
    bar = tqdm(loader, initial=first, total=schedule.steps, mininterval=10)
    for step, batch in zip(steps, bar, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = schedule.at(step, time.monotonic() - started)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(schedule.device).type, torch.bfloat16):
            loss = answer_loss(model, batch.to(schedule.device)) / batch.prompts
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        late = time.monotonic() - started > 60 * schedule.minutes
        stop = (step + 1) % EVERY == 0 or late or step + 1 == schedule.steps
        if step == first or step % 10 == 0:  # reading the loss waits for an accelerator
            mean = loss.item() if step == first else 0.9 * mean + 0.1 * loss.item()
            bar.set_postfix(loss=f"{mean:.3f}", refresh=False)
        if stop:
            save(run / "checkpoint.pt", model, optimizer, step + 1)
            export(model, out)
        if late:
            break
