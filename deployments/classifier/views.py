"""Views of a picture: the whole, and crops in which small things are larger."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

GRID = 3
"""Crops per side. Each has half the sides of the picture; neighbours overlap by half."""


def views(pixels: np.ndarray, size: int) -> Tensor:
    """The whole picture first, then the crops, each resized to the model's size.

    Pixels are averaged where a view is larger than that, and repeated where it is smaller.

    Args:
        pixels: (height, width, 3), uint8, any size.
        size: sides of the views, in pixels.

    Returns:
        (1 + GRID**2, 3, size, size), float32 in [-1, 1].
    """
    picture = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div(127.5).sub(1.0)
    parts = [picture, *(picture[:, :, y, x] for y, x in crops(*picture.shape[-2:]))]
    return torch.cat([functional.interpolate(part, (size, size), mode="area") for part in parts])


def crops(height: int, width: int) -> list[tuple[slice, slice]]:
    """Rows and columns of each crop, from top left to bottom right."""
    rows, columns = _spans(height), _spans(width)
    return [(y, x) for y in rows for x in columns]


def _spans(length: int) -> list[slice]:
    side = max(length // 2, 1)
    starts = [round(i * (length - side) / (GRID - 1)) for i in range(GRID)]
    return [slice(start, start + side) for start in starts]
