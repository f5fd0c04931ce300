"""From an uploaded file to a `Picture`: untrusted bytes are read here and nowhere else.

Pillow never sees a file as it came. Its pixel decoders stand up to hostile bytes, but it reads
metadata before anybody can look at the size, and there a short file can cost much: it joins the
Exif segments of a JPEG in quadratic time, and lets the compressed text of a PNG fill 64 MB. So each
file is first cut down to the parts that its pixels are made of, and the one fact in its metadata
that a viewer obeys, the orientation, is read here.

Whatever stands behind the end of a picture (a ZIP archive, a page, a script, the second picture of
a phone's depth photo) is accepted and gone: only pixels are kept and encoded anew, so such a file
is as harmless as any other, and honest cameras write many.
"""

import asyncio
import base64
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageOps
from pydantic import Field

from deployments.configuration import Configuration
from deployments.contracts import Picture
from deployments.errors import Overloaded, RequestError
from deployments.pictures import from_array, to_array

DECODES_AT_ONCE = 2
"""Pictures that one process decodes at the same time. Up to 21 bytes of memory per pixel were
measured, beside the upload and its copy; with 30 to be sure, all together hold at most
DECODES_AT_ONCE x (30 x max_pixels + 2 x max_bytes), 1.09 GB with the default limits."""

_DECODERS = ThreadPoolExecutor(DECODES_AT_ONCE, thread_name_prefix="decode")

_MAX_PARTS = 10_000
"""Chunks or segments of one file. Each costs a step in Python; encoders write 8 KB a chunk."""

_MAX_SCANS = 100
"""Of a JPEG. Encoders write about ten; an empty one takes 20 bytes and a pass over all pixels."""

_ANIMATED = "is animated; only a still picture can be judged as a whole"

T = TypeVar("T")


class UploadLimits(Configuration):
    """How large an uploaded picture may be, and how long it may take to read."""

    max_bytes: int = Field(20_000_000, ge=1, description="of one file")
    max_pixels: int = Field(16_777_216, ge=1, description="width times height of one picture")
    max_side: int = Field(8192, ge=1, description="width and height of one picture, in pixels")
    decode_seconds: float = Field(20.0, gt=0, description="for one file to become a picture")


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
            raise _refused(param, "needs an alpha channel: transparent where to paint", "mask")
        if image.size != size:
            raise _refused(param, f"is {_times(image.size)}, the picture {_times(size)}", "mask")
        paint = np.asarray(image.convert("RGBA").getchannel("A")) < 128
        if not paint.any():
            raise _refused(param, "has no transparent pixel, so there is nothing to paint", "mask")
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


def data_url(text: str, limits: UploadLimits, param: str) -> bytes:
    """The bytes in a `data:image/...;base64,` URL. The type that it names is not looked at.

    Raises:
        RequestError: `unsupported_image_url` for every other URL, `image_too_large` for text that
            is too long to be decoded, `invalid_image_file` for what is not strict base64.
    """
    if text[:5].lower() != "data:":
        raise RequestError(
            f"'{param}' must be a data URL; pictures elsewhere are not fetched.",
            code="unsupported_image_url",
            param=param,
        )
    head = re.match(r"data:image/[\w.+-]{1,32}(;[\w=.+-]{1,32})?;base64,", text, re.I | re.A)
    if not head:
        raise _refused(param, "is not of the form data:image/png;base64,...")
    # Base64 has four characters for every three bytes or part thereof.
    if len(text) - head.end() > (limits.max_bytes + 2) // 3 * 4:
        raise _too_many_bytes(limits, param)
    try:
        return base64.b64decode(text[head.end() :], validate=True)
    except ValueError as error:
        raise _refused(param, "is not valid base64") from error


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
        raise _refused(param, f"could not be decoded within {limits.decode_seconds:g} s") from error


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
        raise _refused(param, "is damaged or cut short") from error


def _decode(data: bytes, limits: UploadLimits, param: str) -> Image.Image:
    """The pixels, upright, in the mode of the file. The size is checked before they are decoded."""
    if len(data) > limits.max_bytes:
        raise _too_many_bytes(limits, param)
    name, bare, exif = _pixels_only(data, param)
    with Image.open(BytesIO(bare), formats=[name]) as image:
        if max(image.size) > limits.max_side or image.width * image.height > limits.max_pixels:
            raise RequestError(
                f"'{param}' is {_times(image.size)} pixels; at most {limits.max_pixels} pixels "
                f"and {limits.max_side} on a side are read.",
                code="image_too_large",
                param=param,
            )
        image.load()
        image.getexif()[ExifTags.Base.Orientation] = _orientation(exif)
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


def _pixels_only(data: bytes, param: str) -> tuple[str, bytes, bytes]:
    """Pillow's name of the format, the file without what its pixels do not need, and its EXIF."""
    if data.startswith(_PNG_SIGNATURE):
        return "PNG", *_png_pixels(data, param)
    if data.startswith(b"\xff\xd8"):
        return "JPEG", *_jpeg_pixels(data, param)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP", *_webp_pixels(data, param)
    raise _refused(param, "is not a PNG, JPEG or WEBP file")


_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _png_pixels(data: bytes, param: str) -> tuple[bytes, bytes]:
    """A PNG's critical chunks and tRNS, and its EXIF. Every chunk must match its checksum."""
    view, exif, at = memoryview(data), b"", len(_PNG_SIGNATURE)
    kept: list[bytes | memoryview] = [_PNG_SIGNATURE]
    for _ in range(_MAX_PARTS):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        # Pillow would let a second header change the size that was checked.
        if checksum != zlib.crc32(view[at + 4 : end - 4]) or (kind == b"IHDR") != (at == 8):
            raise _refused(param, "is a damaged PNG")
        if kind in (b"acTL", b"fcTL", b"fdAT"):
            raise _refused(param, _ANIMATED)
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            kept.append(view[at:end])
        elif kind == b"tRNS" and data[24] < 16:
            # Of 16 bits Pillow keeps 8, in which a transparent colour cannot be told from others.
            kept.append(view[at:end])
        elif kind == b"eXIf":
            exif = exif or data[at + 8 : end - 4]
        elif kind[:1].isupper():
            raise _refused(param, "is a PNG with a critical chunk that is not in the standard")
        if kind == b"IEND":
            return b"".join(kept), exif
        at = end
    raise _refused(param, f"has more than {_MAX_PARTS} chunks")


_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")
_SCAN = re.compile(rb"\xff\xda\x00(?:\x06\x00|\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")
"""The start of a scan, strictly as libjpeg wants it, so that none escapes the count and compressed
data, in which a marker cannot stand, does not add to it."""
_TABLES = frozenset(b"\xc4\xcc\xdb\xdd")  # Huffman and arithmetic codes, quantisation, restarts
_FRAMES = frozenset(range(0xC0, 0xD0)) - frozenset(b"\xc4\xc8\xcc")
_APPS = {0xE0: b"JFIF\0", 0xE1: b"Exif\0\0", 0xEE: b"Adobe"}
"""Segments of applications that count: two name the colour space, one has the orientation."""


def _jpeg_pixels(data: bytes, param: str) -> tuple[bytes, bytes]:
    """A JPEG without the segments that applications added, and its EXIF."""
    view, at, framed = memoryview(data), 2, False
    kept: list[bytes | memoryview] = [b"\xff\xd8"]
    apps: dict[int, bytes] = {}
    for _ in range(_MAX_PARTS):
        found = _MARKER.search(data, at)
        if not found:
            break
        kind, body = found[1][0], found.end()
        if kind == 0xDA:
            _check_scans(data, found.start(), param)
            exif = apps.pop(0xE1, b"")
            return b"".join([*kept, *apps.values(), view[found.start() :]]), exif
        (length,) = struct.unpack_from(">H", data, body)
        at = body + length
        if kind == 0xD9 or length < 2 or at > len(data) or (framed and kind in _FRAMES):
            break
        framed = framed or kind in _FRAMES
        if kind in _TABLES or kind in _FRAMES:
            kept.append(view[found.start() : at])
        elif kind in _APPS and data.startswith(_APPS[kind], body + 2):
            segment = data[body + 2 : at] if kind == 0xE1 else data[found.start() : at]
            apps.setdefault(kind, segment)
    raise _refused(param, "is a damaged JPEG")


def _check_scans(data: bytes, start: int, param: str) -> None:
    """Refuses compressed data that breaks off, or that decodes for minutes out of few bytes."""
    if data.find(b"\xff\xd9", start) < 0:
        raise _refused(param, "is a JPEG that is cut short")
    scans = _SCAN.finditer(data, start)
    if sum(1 for _ in scans) > _MAX_SCANS:
        raise _refused(param, f"is a JPEG of more than {_MAX_SCANS} scans")


def _webp_pixels(data: bytes, param: str) -> tuple[bytes, bytes]:
    """A WEBP's picture and alpha channel, and its EXIF."""
    kept, exif, at = bytearray(b"WEBP"), b"", 12
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    for _ in range(_MAX_PARTS):
        if at >= end:
            return b"RIFF" + struct.pack("<I", len(kept)) + kept, exif
        kind, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]
        if len(body) < length or at + 8 + length > end:
            raise _refused(param, "is a WEBP that is cut short")
        if kind in (b"ANIM", b"ANMF"):
            raise _refused(param, _ANIMATED)
        if kind == b"VP8X":  # of its flags only the one for alpha is still true
            body = bytes([body[0] & 0x10]) + body[1:]
        if kind in (b"VP8X", b"VP8 ", b"VP8L", b"ALPH"):
            kept += kind + struct.pack("<I", length) + body + bytes(length % 2)
        elif kind == b"EXIF":
            exif = exif or body
        at += 8 + length + length % 2
    raise _refused(param, f"has more than {_MAX_PARTS} chunks")


def _orientation(exif: bytes) -> int:
    """The orientation in the first directory of an EXIF block, 1 (upright) if there is none.

    A broken block counts as none, as it does in browsers: it says nothing about the pixels.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2], ">")
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for at in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, at)
            if (tag, kind, count) == (ExifTags.Base.Orientation, 3, 1):
                return int(value)
    except struct.error:
        pass
    return 1


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _refused(param: str, why: str, kind: str = "image_file") -> RequestError:
    return RequestError(f"'{param}' {why}.", code=f"invalid_{kind}", param=param)


def _too_many_bytes(limits: UploadLimits, param: str) -> RequestError:
    return RequestError(
        f"'{param}' is longer than {limits.max_bytes} bytes.", code="image_too_large", param=param
    )
