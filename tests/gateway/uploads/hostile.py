"""Uploads that mean harm, or are merely odd, made in memory: for tests and for attacks by hand.

Nothing here needs the room that it asks of its reader: what would inflate to gigabytes is written
as repeated deflate blocks.
"""

import random
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image

Case = tuple[str, bytes, bool]
"""A name, a file, and whether it must be refused; any other must give a picture."""

PNG = b"\x89PNG\r\n\x1a\n"
_MB = 1 << 20


def hostile_uploads(seed: int = 0) -> Iterator[Case]:
    """More than 200 cases; the same seed gives the same ones."""
    dice = random.Random(seed)
    yield from _other_types(dice)
    yield from _bombs()
    yield from _false_headers()
    yield from _truncations(dice)
    yield from _corruptions(dice)
    yield from _polyglots()
    yield from _modes()
    yield from _shapes()
    yield from _animations()
    yield from _orientations()
    yield from _segments()


def scene(width: int = 48, height: int = 32) -> Image.Image:
    """A picture without symmetry: each turn and flip of it looks different."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The image as a file of Pillow's format `kind`."""
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    """A PNG's IHDR; colour 0 is grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def png(head: bytes, rows: bytes, *between: bytes) -> bytes:
    """A PNG of filtered rows, with chunks between header and pixels."""
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return PNG + head + b"".join(between) + pixels + chunk(b"IEND", b"")


def grey16(values: np.ndarray) -> bytes:
    """A 16-bit greyscale PNG."""
    height, width = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(header(width, height, 16, 0), rows)


def zeros(size: int) -> bytes:
    """The zlib stream of `size` zeros, a whole number of MB, a thousandth as long."""
    packer = zlib.compressobj(9)
    start = packer.compress(bytes(_MB)) + packer.flush(zlib.Z_FULL_FLUSH)
    # From here every MB is the same, since a full flush forgets what came before.
    again = packer.compress(bytes(_MB)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (size % 65521) << 16 | 1
    return start + again * (size // _MB - 1) + b"\x03\0" + struct.pack(">I", checksum)


def exif(orientation: int, order: str = ">") -> bytes:
    """An EXIF block that has nothing but the orientation."""
    mark = b"MM" if order == ">" else b"II"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + mark + struct.pack(order + "HIH", 42, 8, 1) + entry + bytes(4)


def segment(kind: int, body: bytes) -> bytes:
    """A JPEG segment."""
    return bytes((0xFF, kind)) + struct.pack(">H", len(body) + 2) + body


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with segments added at its start."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def with_chunks(file: bytes, *chunks: bytes) -> bytes:
    """A PNG with chunks added behind its header."""
    return file[:33] + b"".join(chunks) + file[33:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WEBP of chunks."""
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _other_types(dice: random.Random) -> Iterator[Case]:
    for kind in (
        "GIF",
        "BMP",
        "TIFF",
        "ICO",
        "PPM",
        "TGA",
        "PCX",
        "SGI",
        "JPEG2000",
        "AVIF",
        "PDF",
    ):
        yield f"type {kind}", saved(scene(), kind), True
    texts = {
        "empty": b"",
        "one byte": b"\x89",
        "text": b"a picture of a cat",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "HTML": b"<!doctype html><script>alert(1)</script>",
        "EXE": b"MZ\x90\0\x03" + bytes(200),
        "ELF": b"\x7fELF\x02\x01\x01" + bytes(200),
        "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
        "ZIP": b"PK\x05\x06" + bytes(18),
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "MNG": b"\x8aMNG\r\n\x1a\n" + bytes(64),
        "WAV": b"RIFF\x24\0\0\0WAVEfmt " + bytes(28),
        "zeros": bytes(4096),
    }
    for name, data in texts.items():
        yield f"type {name}", data, True
    signatures = {"PNG": PNG, "JPEG": b"\xff\xd8\xff\xe0", "WEBP": b"RIFF\x40\0\0\0WEBPVP8 "}
    for name, signature in signatures.items():
        yield f"{name} signature alone", signature, True
        yield f"HTML that claims to be {name}", signature + texts["HTML"], True
        for number in range(4):
            noise = dice.randbytes(dice.choice((3, 100, 5000)))
            yield f"{name} signature and noise {number}", signature + noise, True


def _bombs() -> Iterator[Case]:
    inflated = -(-30_000 * 90_001 // _MB) * _MB
    huge = PNG + header(30_000, 30_000) + chunk(b"IDAT", zeros(inflated)) + chunk(b"IEND", b"")
    yield "bomb 30000x30000", huge, True
    slim = PNG + header(16_000, 16_000, 1, 0) + chunk(b"IDAT", zeros(31 * _MB))
    yield "bomb 1-bit 16000x16000", slim + chunk(b"IEND", b""), True
    small = PNG + header(16, 16) + chunk(b"IDAT", zeros(512 * _MB)) + chunk(b"IEND", b"")
    yield "bomb behind the last row", small, False
    plain, text = saved(scene(), "PNG"), zeros(256 * _MB)
    yield "zTXt bomb", with_chunks(plain, chunk(b"zTXt", b"Comment\0\0" + text)), False
    yield "iTXt bomb", with_chunks(plain, chunk(b"iTXt", b"a\0\1\0\0\0" + text)), False
    yield "iCCP bomb", with_chunks(plain, chunk(b"iCCP", b"profile\0\0" + text)), False
    under_limit = chunk(b"zTXt", b"Comment\0\0" + zeros(_MB))
    yield "zTXt 200 times 1 MB", with_chunks(plain, *[under_limit] * 200), False
    late = plain[:-12] + chunk(b"zTXt", b"Comment\0\0" + text) + plain[-12:]
    yield "zTXt bomb behind the pixels", late, False
    yield "5000 chunks", with_chunks(plain, *[chunk(b"teSt", b"x")] * 5000), False
    yield "100000 chunks", with_chunks(plain, *[chunk(b"teSt", b"x")] * 100_000), True
    yield "eXIf of 4 MB", with_chunks(plain, chunk(b"eXIf", b"MM\0*" + b"\xff" * 4 * _MB)), False


def _false_headers() -> Iterator[Case]:
    pixels = zlib.compress(bytes(5000))
    tail = chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    for width, height in (
        (0, 0),
        (0, 9),
        (9, 0),
        (2**31 - 1, 2**31 - 1),
        (2**32 - 1, 1),
        (1, 2**32 - 1),
        (65_536, 65_536),
        (8193, 1),
        (1, 8193),
        (4001, 4000),
        (8192, 8192),
        (10_000, 9000),
        (13_000, 13_000),
    ):
        yield f"PNG header {width}x{height}", PNG + header(width, height) + tail, True
    for depth, colour in ((3, 0), (8, 1), (16, 3), (4, 2), (0, 0), (255, 255), (1, 6)):
        head = header(9, 9, depth, colour)
        yield f"PNG depth {depth} colour {colour}", PNG + head + tail, True
    plain, jpeg = saved(scene(), "PNG"), saved(scene(), "JPEG")
    yield "two IHDR", with_chunks(plain, header(9000, 9000)), True
    yield "IHDR behind the pixels", plain[:-12] + header(9, 9) + plain[-12:], True
    yield "no IHDR", PNG + plain[33:], True
    yield "no IDAT", PNG + header(9, 9) + chunk(b"IEND", b""), True
    yield "no IEND", plain[:-12], True
    yield "no PLTE", PNG + header(9, 9, 8, 7) + tail, True
    yield "short IHDR", PNG + chunk(b"IHDR", bytes(5)) + tail, True
    yield "unknown critical chunk", with_chunks(plain, chunk(b"EVIL", b"x")), True
    yield "IDAT is no zlib stream", PNG + header(9, 9) + chunk(b"IDAT", b"x" * 99), True
    length = plain.index(b"IDAT") - 4
    for size in (0, 1, 10**6, 2**31, 2**32 - 1):
        wrong = plain[:length] + struct.pack(">I", size) + plain[length + 4 :]
        yield f"IDAT says {size} bytes", wrong, True
    frame = jpeg.index(b"\xff\xc0") + 5
    for width, height in ((0, 32), (48, 0), (65_535, 65_535), (65_535, 1), (5000, 5000)):
        size = struct.pack(">HH", height, width)
        yield f"JPEG frame {width}x{height}", jpeg[:frame] + size + jpeg[frame + 4 :], True
    for width, height in ((2**24, 2**24), (16_383, 16_383), (9000, 9000)):
        canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        lossy = saved(scene(), "WEBP")[20:]
        yield f"WEBP canvas {width}x{height}", riff((b"VP8X", canvas), (b"VP8 ", lossy)), True


def _truncations(dice: random.Random) -> Iterator[Case]:
    for kind, options in (("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {})):
        file = saved(scene(), kind, **options)
        offsets = {1, 8, 12, 16, 30, len(file) // 2, len(file) - 9, len(file) - 1}
        for offset in sorted(offsets | set(dice.sample(range(2, len(file)), 6))):
            name = f"{kind}{' progressive' if options else ''} cut at {offset}"
            yield name, file[:offset], True


def _corruptions(dice: random.Random) -> Iterator[Case]:
    """One byte changed. A PNG's checksums find it wherever it is; JPEG and WEBP have none."""
    file = saved(scene(), "PNG")
    for at in sorted(dice.sample(range(len(file)), 30)):
        yield f"PNG byte {at} changed", _changed(file, at, dice.randrange(1, 256)), True
    yield "PNG signature with bit 7 lost", _changed(file, 0, 0x80), True
    jpeg = saved(scene(), "JPEG")
    start = jpeg.index(b"\xff\xda") + 14
    # No marker may arise, and none be lost, or the scan would end elsewhere.
    plain = [
        at
        for at in range(start, len(jpeg) - 3)
        if not {0, 1, 0xFE, 0xFF} & set(jpeg[at - 1 : at + 2])
    ]
    for at in sorted(dice.sample(plain, 12)):
        yield f"JPEG byte {at} of the scan changed", _changed(jpeg, at, 1), False
    yield "JPEG quantisation of 0", _changed(jpeg, jpeg.index(b"\xff\xdb") + 2, 0xFF), True
    webp = saved(scene(), "WEBP")
    for at in (0, 8, 12, 15, 23, 24, 25):
        yield f"WEBP byte {at} changed", _changed(webp, at, 0x55), True


def _changed(file: bytes, at: int, mask: int) -> bytes:
    return file[:at] + bytes((file[at] ^ mask,)) + file[at + 1 :]


def _polyglots() -> Iterator[Case]:
    page = b"<html><script>alert(document.cookie)</script></html>"
    archive = b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18)
    for kind in ("PNG", "JPEG", "WEBP"):
        file = saved(scene(), kind)
        for name, tail in (("ZIP", archive), ("HTML", page), ("PHP", b"<?php system($_GET[0]);")):
            yield f"{kind} with {name} behind it", file + tail, False
        yield f"{kind} with a {kind} behind it", file + file, False
    yield "HTML in front of a PNG", page + saved(scene(), "PNG"), True
    yield "GIFAR", saved(scene(), "GIF") + archive, True
    jpeg = saved(scene(), "JPEG")
    yield (
        "JPEG with a script as comment",
        with_segments(jpeg, segment(0xFE, b"*/=alert(1)/*")),
        False,
    )
    yield "JPEG with HTML in its Exif", saved(scene(), "JPEG", exif=b"Exif\0\0" + page), False
    pages = chunk(b"tEXt", b"Comment\0" + page)
    yield "PNG with HTML as text", with_chunks(saved(scene(), "PNG"), pages), False
    other = saved(scene().rotate(180), "JPEG")
    yield (
        "MPO of two pictures",
        saved(scene(), "MPO", save_all=True, append_images=[scene()]),
        False,
    )
    yield (
        "JPEG in the Exif of a JPEG",
        with_segments(jpeg, segment(0xE1, b"Exif\0\0" + other)),
        False,
    )


def _modes() -> Iterator[Case]:
    rgb = scene()
    clear = rgb.copy()
    clear.putalpha(rgb.convert("L"))
    for mode in ("1", "L", "P", "RGB"):
        yield f"PNG {mode}", saved(rgb.convert(mode), "PNG"), False
    for mode in ("LA", "RGBA"):
        yield f"PNG {mode}", saved(clear.convert(mode), "PNG"), False
    yield "PNG P with a transparent colour", saved(rgb.convert("P"), "PNG", transparency=3), False
    alphas = bytes(range(256))
    yield "PNG P with 256 alphas", saved(rgb.convert("P"), "PNG", transparency=alphas), False
    yield "PNG L with a transparent grey", saved(rgb.convert("L"), "PNG", transparency=7), False
    yield "PNG 1 with a transparent bit", saved(rgb.convert("1"), "PNG", transparency=0), False
    yield "PNG RGB with a colour key", saved(rgb, "PNG", transparency=(1, 2, 3)), False
    yield "PNG of 16-bit grey", grey16(np.arange(600).reshape(20, 30) * 100), False
    for name, colour, channels in (("RGB", 2, 3), ("LA", 4, 2), ("RGBA", 6, 4)):
        rows = (b"\0" + bytes(range(9 * channels * 2))) * 9
        yield f"PNG of 16-bit {name}", png(header(9, 9, 16, colour), rows), False
    grey_key = chunk(b"tRNS", b"\0\0")
    yield "PNG of 16-bit grey with a key", png(header(9, 9, 16, 0), bytes(171), grey_key), False
    yield "PNG of 2-bit grey", png(header(9, 9, 2, 0), bytes(36)), False
    palette = chunk(b"PLTE", bytes(6))
    yield "PNG of indices beyond the palette", png(header(9, 9, 8, 3), b"\0" * 90, palette), False
    yield "PNG interlaced", png(header(1, 1, 8, 2, 1), b"\0abc"), False
    yield "PNG with fewer rows than it says", png(header(9, 9), bytes(28)), False
    yield "PNG with more rows than it says", png(header(9, 9), bytes(28 * 99)), False
    yield "PNG filter that does not exist", png(header(9, 9), (b"\x09" + bytes(27)) * 9), True
    for mode in ("L", "RGB", "CMYK"):
        yield f"JPEG {mode}", saved(rgb.convert(mode), "JPEG"), False
    yield "JPEG YCbCr", saved(rgb.convert("YCbCr"), "JPEG"), False
    yield "JPEG progressive", saved(rgb, "JPEG", progressive=True), False
    yield "JPEG 4:4:4", saved(rgb, "JPEG", subsampling=0), False
    yield "JPEG stored as RGB", saved(rgb, "JPEG", keep_rgb=True), False
    yield "WEBP RGB", saved(rgb, "WEBP"), False
    yield "WEBP RGBA", saved(clear, "WEBP"), False
    yield "WEBP lossless", saved(rgb, "WEBP", lossless=True), False
    yield "WEBP lossless RGBA", saved(clear, "WEBP", lossless=True), False


def _shapes() -> Iterator[Case]:
    for size in ((1, 1), (1, 8192), (8192, 1), (2000, 1000)):
        for kind in ("PNG", "JPEG", "WEBP"):
            yield f"{kind} of {size[0]}x{size[1]}", saved(Image.new("RGB", size), kind), False


def _animations() -> Iterator[Case]:
    for kind in ("PNG", "WEBP"):
        for frames in (2, 50):
            rest = [scene().rotate(30 * number) for number in range(1, frames)]
            moving = saved(scene(), kind, save_all=True, append_images=rest)
            yield f"{kind} of {frames} frames", moving, True
    control = chunk(b"acTL", struct.pack(">II", 1, 0))
    yield "PNG of one frame that is an animation", with_chunks(saved(scene(), "PNG"), control), True
    late = saved(scene(), "PNG")
    yield "acTL behind the pixels", late[:-12] + control + late[-12:], True


def _orientations() -> Iterator[Case]:
    for value in (*range(10), 65_535):
        yield f"JPEG of orientation {value}", saved(scene(), "JPEG", exif=exif(value)), False
    for kind in ("PNG", "WEBP"):
        yield f"{kind} of orientation 6", saved(scene(), kind, exif=exif(6, "<")), False
    broken = {
        "cut": exif(6)[:-10],
        "offset beyond the end": b"Exif\0\0MM\0*\xff\xff\xff\xff",
        "directory in itself": b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\3" * 300,
        "unknown byte order": b"Exif\0\0XX" + exif(6)[8:],
        "noise": b"Exif\0\0" + bytes(range(256)),
        "nothing": b"Exif\0\0",
    }
    tags = b"".join(struct.pack(">HHII", 1000 + tag, 7, 30_000, 8) for tag in range(5000))
    broken["5000 tags that share their bytes"] = b"Exif\0\0MM\0*\0\0\0\x08\x13\x88" + tags
    for name, block in broken.items():
        for kind in ("PNG", "JPEG", "WEBP"):
            yield f"{kind} with broken Exif: {name}", saved(scene(), kind, exif=block), False


def _segments() -> Iterator[Case]:
    jpeg = saved(scene(), "JPEG")
    yield "JPEG of 5000 Exif segments", with_segments(jpeg, *[segment(0xE1, exif(1))] * 5000), False
    crowd = [segment(0xE1, b"Exif\0\0x")] * 200_000
    yield "JPEG of 200000 Exif segments", with_segments(jpeg, *crowd), True
    profile = segment(0xE2, b"ICC_PROFILE\0\1\x40" + bytes(65_000))
    yield "JPEG with a profile of 4 MB", with_segments(jpeg, *[profile] * 64), False
    frame = jpeg.index(b"\xff\xc0")
    yield "JPEG with two frames", jpeg[:frame] + jpeg[frame : frame + 19] + jpeg[frame:], True
    yield "JPEG with two starts", jpeg[:2] + jpeg, True
    yield "JPEG with fill bytes", jpeg[:2] + b"\xff" * 500 + jpeg[2:], False
    waves = saved(scene(), "JPEG", progressive=True)
    last = waves.rindex(b"\xff\xda")
    yield "JPEG of 10000 scans", waves[:last] + waves[last:-2] * 10_000 + waves[-2:], True
    yield "JPEG that starts with its end", jpeg[:2] + b"\xff\xd9" + jpeg[2:], True
    yield "JPEG segment of length 0", with_segments(jpeg, b"\xff\xe0\0\0"), True
    yield "WEBP of 100000 chunks", riff(*[(b"test", b"")] * 100_000), True
    yield "WEBP without a picture", riff((b"EXIF", exif(6))), True
    lossy = saved(scene(), "WEBP")[20:]
    yield "WEBP with two pictures", riff((b"VP8 ", lossy), (b"VP8 ", lossy)), False
    yield "WEBP with an XMP of 4 MB", riff((b"VP8 ", lossy), (b"XMP ", bytes(4 * _MB))), False
