"""Arrays and PIL images to `contracts.Picture` and back, without losing a pixel."""

import hashlib
import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from deployments.contracts import Picture


def from_image(image: Image.Image) -> Picture:
    """A picture of any PIL image; modes other than RGB are converted, metadata is dropped."""
    return from_array(np.asarray(image.convert("RGB")))


def from_array(pixels: np.ndarray) -> Picture:
    """A picture of raw pixels.

    Args:
        pixels: height x width x 3, uint8.

    Raises:
        ValueError: another shape or dtype, or an empty picture.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(
            f"a picture is uint8 of shape (height, width, 3), got {pixels.dtype} {pixels.shape!r}"
        )
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    height, width, _ = pixels.shape
    return Picture(png=file.getvalue(), width=width, height=height, sha256=pixel_sha256(pixels))


def to_array(picture: Picture) -> np.ndarray:
    """The picture's pixels: height x width x 3, uint8, writable.

    Raises:
        ValueError: the bytes are no RGB PNG, or pixels, size and hash do not belong together.
    """
    try:
        with Image.open(io.BytesIO(picture.png), formats=["PNG"]) as image:
            if image.mode != "RGB" or image.size != (picture.width, picture.height):
                raise ValueError(
                    f"the PNG is {image.mode} {image.size!r}, "
                    f"the picture says RGB {(picture.width, picture.height)!r}"
                )
            pixels = np.array(image)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"the picture is not a readable PNG: {error}") from error
    if pixel_sha256(pixels) != picture.sha256:
        raise ValueError(f"the pixels do not hash to {picture.sha256!r}")
    return pixels


def pixel_sha256(pixels: np.ndarray) -> str:
    """Hex digest of the raw pixels, row-major."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
