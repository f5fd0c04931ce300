"""From an uploaded file to a `Picture`: untrusted bytes are decoded here and nowhere else.

Pillow is given no file as it came: see `containers`. Whatever stands behind the end of a picture (a
ZIP archive, a page, a script, the second picture of a phone's depth photo) is accepted and gone:
only pixels are kept and encoded anew, so such a file is as harmless as any other, and honest
cameras write many.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageOps

from deployments.contracts import Picture
from deployments.errors import Overloaded, RequestError
from deployments.gateway.uploads.containers import orientation, pixels_only
from deployments.gateway.uploads.limits import UploadLimits, refused, too_many_bytes
from deployments.pictures import from_array, to_array

DECODES_AT_ONCE = 2
"""Pictures that one process decodes at the same time. Up to 21 bytes of memory per pixel were
measured, beside the upload and its copy; with 30 to be sure, all together hold at most
DECODES_AT_ONCE x (30 x max_pixels + 2 x max_bytes), 1.09 GB with the default limits."""

_DECODERS = ThreadPoolExecutor(DECODES_AT_ONCE, thread_name_prefix="decode")

T = TypeVar("T")


def read_picture(data: bytes, limits: UploadLimits, param: str) -> Picture:
    """The picture in a PNG, JPEG or WEBP file: upright, 8-bit RGB, on white, without metadata.

    Raises:
        RequestError: `image_too_large` beyond the limits, `invalid_image_file` for all other files
            that are not one whole still picture.
    """
    with _reading(param):
        return from_array(np.asarray(_on_white(_decode(data, limits, param))))


def read_mask(
    data: bytes, limits: UploadLimits, size: tuple[int, int], param: str = "mask"
) -> Picture:
    """A mask as OpenAI has it, as white where to paint and black elsewhere.

    What is more transparent than not (alpha below 128) is painted, so that a soft brush gives a
    mask of its own width.

    Args:
        size: width and height of the picture that is edited, upright, as it was uploaded.

    Raises:
        RequestError: as read_picture; `invalid_mask` for a file without an alpha channel, without
            a transparent pixel, or of another size.
    """
    with _reading(param):
        image = _decode(data, limits, param)
        if not image.has_transparency_data:
            raise refused(param, "needs an alpha channel: transparent where to paint", "mask")
        if image.size != size:
            raise refused(param, f"is {_times(image.size)}, the picture {_times(size)}", "mask")
        paint = np.asarray(image.convert("RGBA").getchannel("A")) < 128
        if not paint.any():
            raise refused(param, "has no transparent pixel, so there is nothing to paint", "mask")
        return from_array(np.repeat(np.uint8(255) * paint[:, :, np.newaxis], 3, axis=2))


def fitted(picture: Picture, width: int, height: int, mask: bool = False) -> Picture:
    """The picture at the model's size; its aspect ratio is not kept.

    A mask keeps its two values; anything else is resized smoothly.
    """
    if (picture.width, picture.height) == (width, height):
        return picture
    image = Image.fromarray(to_array(picture))
    if mask:
        image = image.resize((width, height), Image.Resampling.NEAREST)
    else:
        image = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return from_array(np.asarray(image))


async def decoded(read: Callable[[], T], limits: UploadLimits, param: str) -> T:
    """What `read` returns, run in a thread; at most DECODES_AT_ONCE run at the same time.

    A thread cannot be killed: a read that outlives its time goes on, bounded by the limits on bytes
    and pixels, and keeps its place until it ends. That is why the places are the threads of a pool
    of their own: a place given back when the caller stops waiting would bound no memory.

    Raises:
        RequestError: `invalid_image_file` if the read takes too long, or what `read` raises.
        Overloaded: the time passed before the read began.
    """
    job = _DECODERS.submit(read)
    try:
        async with asyncio.timeout(limits.decode_seconds):
            return await asyncio.wrap_future(job)
    except TimeoutError as error:
        if job.cancel():
            raise Overloaded("gateway", "too many pictures are being decoded") from error
        raise refused(param, f"could not be decoded within {limits.decode_seconds:g} s") from error


@contextmanager
def _reading(param: str) -> Iterator[None]:
    """Makes every failure to read a file the client's.

    Broad on purpose: Pillow lets through whatever its Python code trips over in broken bytes, of
    types that it neither lists nor keeps stable, and nothing inside but reading can fail.
    """
    try:
        yield
    except RequestError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RequestError(
            f"'{param}' has too many pixels.", code="image_too_large", param=param
        ) from error
    except Exception as error:
        raise refused(param, "is damaged or cut short") from error


def _decode(data: bytes, limits: UploadLimits, param: str) -> Image.Image:
    """The pixels, upright, in the mode of the file. The size is checked before they are decoded."""
    if len(data) > limits.max_bytes:
        raise too_many_bytes(limits, param)
    name, bare, exif = pixels_only(data, param)
    with Image.open(BytesIO(bare), formats=[name]) as image:
        if max(image.size) > limits.max_side or image.width * image.height > limits.max_pixels:
            raise RequestError(
                f"'{param}' is {_times(image.size)} pixels; at most {limits.max_pixels} pixels "
                f"and {limits.max_side} on a side are read.",
                code="image_too_large",
                param=param,
            )
        image.load()
        image.getexif()[ExifTags.Base.Orientation] = orientation(exif)
        ImageOps.exif_transpose(image, in_place=True)
        return image


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "I;16":  # convert() would clip it; of 16-bit colour Pillow keeps the high byte
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    coloured = image.convert("RGBA")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(coloured, mask=coloured)
    return canvas


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
