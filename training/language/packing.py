"""Many prompts behind one policy in one sequence: the policy is computed once for all of them.

    policy | prompt 1, answer 1 | prompt 2, answer 2 | ...

Every prompt sees the policy and itself only, and its positions go on from the policy's end, so the
logits are those of the prompts one by one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

IGNORED = -100
"""Label of positions without loss, as in `torch.nn.functional.cross_entropy`."""


@dataclass(frozen=True)
class Pack:
    """One sequence of length S.

    Attributes:
        ids: int64 [1, S].
        positions: int64 [1, S].
        mask: bool [1, 1, S, S]; True where the row's position may see the column's.
        labels: int64 [S]; the token that position must predict, or IGNORED.
        prompts: how many prompts share the sequence.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    labels: Tensor
    prompts: int


def pack(prefix: list[int], tails: list[list[int]], answers: list[list[int]]) -> Pack:
    """Packs prompts (`tails`, what follows the prefix) with their answers, in token ids."""
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
    mask = visible.tril()
    return Pack(
        ids=torch.tensor([ids]),
        positions=torch.tensor([positions]),
        mask=mask[None, None],
        labels=torch.tensor(labels),
        prompts=len(tails),
    )
