"""From a released picture to the bytes that a client gets. Pixels are proven, never assumed."""

import hashlib
import struct
import zlib
from collections.abc import Mapping
from io import BytesIO

from PIL import Image

from deployments.contracts import Picture
from deployments.errors import StageFailed
from deployments.gateway.api.delivery import Delivery

_SIGNATURE_AND_HEADER = 8 + 25
"""Bytes of a PNG before its second chunk: the signature and IHDR, whose length is fixed."""


def encode(picture: Picture, delivery: Delivery, resample: str, notes: Mapping[str, str]) -> bytes:
    """Encodes one picture, resized where the client gets another size than its own.

    Args:
        resample: name of a Pillow filter, lower case.
        notes: Latin-1 texts by keyword, added to a PNG as tEXt chunks.

    Raises:
        StageFailed: the picture's pixels are not those that its `sha256` names, or the finished
            PNG does not decode to the pixels that went into it.
    """
    image = _decode(picture.png)
    if _digest(image) != picture.sha256:
        raise StageFailed("gateway", "a picture changed after it was judged")
    size = (delivery.width, delivery.height)
    resized = image.size != size
    if resized:
        image = image.resize(size, Image.Resampling[resample.upper()])
    if delivery.output_format != "png":
        return _lossy(image, delivery)
    noted = annotate(_png(image) if resized else picture.png, notes)
    if _digest(_decode(noted)) != _digest(image):
        raise StageFailed("gateway", "a picture changed while it was encoded")
    return noted


def annotate(png: bytes, notes: Mapping[str, str]) -> bytes:
    """Adds a tEXt chunk for each note right behind the header; every other byte stays."""
    chunks = b"".join(_text_chunk(keyword, text) for keyword, text in notes.items())
    return png[:_SIGNATURE_AND_HEADER] + chunks + png[_SIGNATURE_AND_HEADER:]


def _text_chunk(keyword: str, text: str) -> bytes:
    data = keyword.encode("latin-1") + b"\0" + text.encode("latin-1")
    checksum = zlib.crc32(b"tEXt" + data)
    return struct.pack(">I", len(data)) + b"tEXt" + data + struct.pack(">I", checksum)


def _decode(png: bytes) -> Image.Image:
    try:
        with Image.open(BytesIO(png), formats=("PNG",)) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for a broken PNG
        raise StageFailed("gateway", "a picture cannot be decoded") from error


def _digest(image: Image.Image) -> str:
    """SHA-256 of raw pixels: height x width x 3 bytes, row-major."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def _png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _lossy(image: Image.Image, delivery: Delivery) -> bytes:
    buffer = BytesIO()
    if delivery.output_format == "jpeg":
        # Quality 0 is not defined for JPEG; full chroma keeps coloured edges where they are.
        image.save(buffer, "JPEG", quality=max(delivery.compression, 1), subsampling=0)
    else:
        image.save(buffer, "WEBP", quality=delivery.compression)
    return buffer.getvalue()
