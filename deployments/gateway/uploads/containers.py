"""The files that pictures come in (PNG, JPEG, WEBP), cut down to what their pixels are made of.

Pillow never sees a file as it came. Its pixel decoders stand up to hostile bytes, but it reads
metadata before anybody can look at the size, and there a short file can cost much: it joins the
Exif segments of a JPEG in quadratic time, and lets the compressed text of a PNG fill 64 MB. The one
fact in the metadata that a viewer obeys, the orientation, is read here.
"""

import re
import struct
import zlib

from PIL import ExifTags

from deployments.gateway.uploads.limits import refused

_MAX_PARTS = 10_000
"""Chunks or segments of one file. Each costs a step in Python; encoders write 8 KB a chunk."""

_MAX_SCANS = 100
"""Of a JPEG. Encoders write about ten; an empty one takes 20 bytes and a pass over all pixels."""

_ANIMATED = "is animated; only a still picture can be judged as a whole"


def pixels_only(data: bytes, param: str) -> tuple[str, bytes, bytes]:
    """Pillow's name of the format, the file without what its pixels do not need, and its EXIF."""
    if data.startswith(_PNG_SIGNATURE):
        return "PNG", *_png_pixels(data, param)
    if data.startswith(b"\xff\xd8"):
        return "JPEG", *_jpeg_pixels(data, param)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP", *_webp_pixels(data, param)
    raise refused(param, "is not a PNG, JPEG or WEBP file")


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
            raise refused(param, "is a damaged PNG")
        if kind in (b"acTL", b"fcTL", b"fdAT"):
            raise refused(param, _ANIMATED)
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            kept.append(view[at:end])
        elif kind == b"tRNS" and data[24] < 16:
            # Of 16 bits Pillow keeps 8, in which a transparent colour cannot be told from others.
            kept.append(view[at:end])
        elif kind == b"eXIf":
            exif = exif or data[at + 8 : end - 4]
        elif kind[:1].isupper():
            raise refused(param, "is a PNG with a critical chunk that is not in the standard")
        if kind == b"IEND":
            return b"".join(kept), exif
        at = end
    raise refused(param, f"has more than {_MAX_PARTS} chunks")


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
    raise refused(param, "is a damaged JPEG")


def _check_scans(data: bytes, start: int, param: str) -> None:
    """Refuses compressed data that breaks off, or that decodes for minutes out of few bytes."""
    if data.find(b"\xff\xd9", start) < 0:
        raise refused(param, "is a JPEG that is cut short")
    scans = _SCAN.finditer(data, start)
    if sum(1 for _ in scans) > _MAX_SCANS:
        raise refused(param, f"is a JPEG of more than {_MAX_SCANS} scans")


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
            raise refused(param, "is a WEBP that is cut short")
        if kind in (b"ANIM", b"ANMF"):
            raise refused(param, _ANIMATED)
        if kind == b"VP8X":  # of its flags only the one for alpha is still true
            body = bytes([body[0] & 0x10]) + body[1:]
        if kind in (b"VP8X", b"VP8 ", b"VP8L", b"ALPH"):
            kept += kind + struct.pack("<I", length) + body + bytes(length % 2)
        elif kind == b"EXIF":
            exif = exif or body
        at += 8 + length + length % 2
    raise refused(param, f"has more than {_MAX_PARTS} chunks")


def orientation(exif: bytes) -> int:
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
