"""Packs many prompts behind one policy into one sequence: the policy is computed once.

    policy | prompt 1, answer 1 | prompt 2, answer 2 | ...

A prompt attends to the policy and to itself only, and its positions begin at the policy's end. So
the logits are the same as for each prompt alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

IGNORED = -100
"""Label of positions without loss, as in `torch.nn.functional.cross_entropy`."""
MULTIPLE = 16
"""A padded length is a multiple of this: fused attention kernels want aligned masks."""


@dataclass(frozen=True)
class Pack:
    """B sequences of length S.

    Attributes:
        ids: int64 [B, S].
        positions: int64 [B, S].
        mask: bool [B, 1, S, S]; True where the row's position may see the column's.
        labels: int64 [B, S]; the token that position must predict, or IGNORED.
        prompts: how many prompts share the sequences.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    labels: Tensor
    prompts: int

    def to(self, device: torch.device | str) -> "Pack":
        """The same on another device."""
        return Pack(
            self.ids.to(device),
            self.positions.to(device),
            self.mask.to(device),
            self.labels.to(device),
            self.prompts,
        )


def pack(prefix: list[int], tails: list[list[int]], answers: list[list[int]]) -> Pack:
    """Packs prompts (`tails`, what follows the prefix) with their answers, in token ids; B is 1."""
    ids, positions, labels = list(prefix), list(range(len(prefix))), [IGNORED] * len(prefix)
    segments = [0] * len(prefix)
    for number, (tail, answer) in enumerate(zip(tails, answers, strict=True), start=1):
        # The last token of the answer is predicted, but predicts nothing: it need not be computed.
        part = tail + answer[:-1]
        ids += part
        positions += range(len(prefix), len(prefix) + len(part))
        labels += [IGNORED] * (len(tail) - 1) + answer
        segments += [number] * len(part)
    segment = torch.tensor(segments)
    visible = (segment[None, :] == 0) | (segment[None, :] == segment[:, None])
    return Pack(
        ids=torch.tensor([ids]),
        positions=torch.tensor([positions]),
        mask=visible.tril()[None, None],
        labels=torch.tensor([labels]),
        prompts=len(tails),
    )


def stack(packs: Sequence[Pack]) -> Pack:
    """Several packs as one batch, padded at the end; padding attends to itself and has no loss."""
    longest = max(p.ids.shape[1] for p in packs)
    length = -(-longest // MULTIPLE) * MULTIPLE

    def row(p: Pack) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        more = length - p.ids.shape[1]
        mask = pad(p.mask, (0, more, 0, more)) | torch.eye(length, dtype=torch.bool)
        return (
            pad(p.ids, (0, more)),
            pad(p.positions, (0, more)),
            mask,
            pad(p.labels, (0, more), value=IGNORED),
        )

    ids, positions, masks, labels = zip(*map(row, packs), strict=True)
    return Pack(
        torch.cat(ids),
        torch.cat(positions),
        torch.cat(masks),
        torch.cat(labels),
        sum(p.prompts for p in packs),
    )
