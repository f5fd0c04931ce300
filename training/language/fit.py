"""The training loop that guard and rewriter share: AdamW on a LoRA, resumable, exporting."""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from tqdm import tqdm

from training.language.adapter import (
    answer_loss,
    export,
    restore,
    save,
    with_lora,
)
from training.language.packing import Pack

WARM_UP = 20
EVERY = 50
"""Steps between checkpoints."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. The rate rises over 20 steps and falls linearly to a twentieth."""

    steps: int
    rate: float
    minutes: float
    threads: int

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser, steps: int, rate: float) -> None:
        """The command-line options of a schedule, with these defaults."""
        parser.add_argument("--steps", type=int, default=steps)
        parser.add_argument("--rate", type=float, default=rate, help="peak learning rate")
        parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after")
        parser.add_argument("--threads", type=int, default=1)

    @classmethod
    def of(cls, args: argparse.Namespace) -> Self:
        """The schedule that the parsed options ask for."""
        return cls(args.steps, args.rate, args.minutes, args.threads)

    def at(self, step: int) -> float:
        """The learning rate of a step."""
        left = 1.0 - step / self.steps
        return self.rate * min((step + 1) / WARM_UP, 0.05 + 0.95 * max(left, 0.0))


def fit(
    base: Path, packs: Callable[[int], list[Pack]], schedule: Schedule, *, run: Path, out: Path
) -> None:
    """Trains a LoRA on `packs(step)`, from the checkpoint in `run` if there is one, into `out`."""
    torch.manual_seed(0)
    torch.set_num_threads(schedule.threads)
    model = with_lora(base)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.0)
    first = restore(run / "checkpoint.pt", model, optimizer)
    started, mean = time.monotonic(), float("nan")
    bar = tqdm(range(first, schedule.steps), initial=first, total=schedule.steps, mininterval=10)
    for step in bar:
        for group in optimizer.param_groups:
            group["lr"] = schedule.at(step)
        optimizer.zero_grad(set_to_none=True)
        for pack in packs(step):
            with torch.autocast("cpu", torch.bfloat16):
                loss = answer_loss(model, pack)
            (loss / pack.prompts).backward()
            loss_each = loss.item() / pack.prompts
            mean = loss_each if step == first else 0.97 * mean + 0.03 * loss_each
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        bar.set_postfix(loss=f"{mean:.3f}", refresh=False)
        late = time.monotonic() - started > 60 * schedule.minutes
        if (step + 1) % EVERY == 0 or late or step + 1 == schedule.steps:
            save(run / "checkpoint.pt", model, optimizer, step + 1)
            export(model, out)
        if late:
            break
