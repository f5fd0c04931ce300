"""Uploaded files: honest ones become upright pictures, all others a refusal, and no file harms."""

import asyncio
import base64
import subprocess
import sys
import threading
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deployments.contracts import Picture
from deployments.errors import Overloaded, RequestError
from deployments.gateway.uploads.data_url import data_url
from deployments.gateway.uploads.decode import (
    DECODES_AT_ONCE,
    decoded,
    fitted,
    read_mask,
    read_picture,
)
from deployments.gateway.uploads.limits import UploadLimits
from deployments.pictures import from_image, to_array
from tests.gateway.uploads.hostile import (
    PNG,
    chunk,
    exif,
    grey16,
    header,
    hostile_uploads,
    png,
    saved,
    scene,
    with_chunks,
)

LIMITS = UploadLimits()
FORMATS = ["PNG", "JPEG", "WEBP"]


def pixels(data, limits=LIMITS):
    return to_array(read_picture(data, limits, "image"))


def refusal(data, limits=LIMITS):
    with pytest.raises(RequestError) as caught:
        read_picture(data, limits, "image")
    assert caught.value.param == "image"
    return caught.value


def clear_where(alpha):
    """A PNG with this alpha channel."""
    image = scene(alpha.shape[1], alpha.shape[0])
    image.putalpha(Image.fromarray(alpha))
    return saved(image, "PNG")


def quarter(value=0):
    alpha = np.full((32, 48), 255, np.uint8)
    alpha[:16, :24] = value
    return alpha


def outcome(data):
    """The picture, or the refusal, whose form is checked."""
    try:
        picture = read_picture(data, LIMITS, "image")
    except RequestError as error:
        return (error.code, error.param)
    to_array(picture)
    return None


REFUSALS = [("invalid_image_file", "image"), ("image_too_large", "image")]


@pytest.mark.slow
def test_of_all_hostile_files_exactly_those_that_must_be_are_refused():
    wrong, count = [], 0
    for name, data, must_be_refused in hostile_uploads():
        count += 1
        if outcome(data) not in (REFUSALS if must_be_refused else [None]):
            wrong.append(name)
    assert count > 200
    assert wrong == []


MEMORY = """
from deployments.errors import RequestError
from deployments.gateway.uploads.decode import read_picture
from deployments.gateway.uploads.limits import UploadLimits
from tests.gateway.uploads.hostile import hostile_uploads, saved, scene

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

# What Pillow imports for its first file is no file's doing.
read_picture(saved(scene(), "WEBP"), UploadLimits(), "image")
before = peak()
for _, data, _ in hostile_uploads():
    try:
        read_picture(data, UploadLimits(), "image")
    except RequestError:
        pass
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_hostile_file_takes_much_memory():
    """The largest picture among them has 2 million pixels, for which 60 MB are allowed; making the
    files takes 30 MB, and the rest is slack.

    In a process of its own, since a peak never falls.
    """
    grown = subprocess.run(
        [sys.executable, "-c", MEMORY], check=True, capture_output=True, text=True
    ).stdout
    assert int(grown) < 120 * 1024


@settings(max_examples=200, deadline=None)
@given(
    start=st.sampled_from(
        [b"", PNG, PNG + header(9, 9), b"\xff\xd8\xff", b"RIFF\x20\0\0\0WEBPVP8X"]
    ),
    rest=st.binary(max_size=300),
)
def test_random_bytes_give_a_picture_or_a_refusal(start, rest):
    assert outcome(start + rest) in [None, *REFUSALS]


WHOLE = [saved(scene(), kind) for kind in FORMATS]


@settings(max_examples=200, deadline=None)
@given(
    file=st.sampled_from(WHOLE),
    at=st.floats(0, 1, exclude_max=True),
    size=st.integers(0, 4),
    noise=st.binary(max_size=4),
)
def test_a_patched_file_gives_a_picture_or_a_refusal(file, at, size, noise):
    start = int(at * len(file))
    assert outcome(file[:start] + noise + file[start + size :]) in [None, *REFUSALS]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_lossless_pixels_are_kept(kind):
    assert np.array_equal(pixels(saved(scene(), kind, lossless=True)), np.asarray(scene()))


# How a camera stores the upright scene for each orientation: the inverse of what a viewer does.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", FORMATS)
def test_all_orientations_give_the_same_upright_picture(kind, order):
    for orientation, turn in STORED.items():
        stored = scene() if turn is None else scene().transpose(turn)
        options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True}
        upright = pixels(saved(stored, kind, exif=exif(orientation, order), **options))
        assert upright.shape == (32, 48, 3)
        off = np.abs(upright.astype(int) - np.asarray(scene()))
        assert off.mean() < (2 if kind == "JPEG" else 1e-9), orientation


@pytest.mark.parametrize("kind", FORMATS)
def test_metadata_is_gone(kind):
    secret = b"taken at home"
    marked = saved(scene(), kind, exif=exif(1) + secret, icc_profile=secret, comment=secret)
    marked += secret
    assert secret in marked
    picture = read_picture(marked, LIMITS, "image")
    assert secret not in picture.png
    assert Image.open(BytesIO(picture.png)).info == {}


def test_what_is_transparent_shows_white():
    seen = pixels(clear_where(quarter()))
    assert (seen[:16, :24] == 255).all()
    assert np.array_equal(seen[16:], np.asarray(scene())[16:])


def test_what_is_half_transparent_shows_half_white():
    seen = pixels(saved(Image.new("RGBA", (4, 4), (0, 100, 200, 51)), "PNG"))
    assert np.abs(seen.astype(int) - (204, 224, 244)).max() <= 1


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1"])
def test_transparency_of_every_mode_is_composited(mode):
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0)).convert(mode)
    options = {} if mode == "LA" else {"transparency": 0}
    assert (pixels(saved(image, "PNG", **options)) == 255).all()


def test_a_missing_row_is_black_and_never_old_memory():
    seen = pixels(png(header(64, 64), b"\0" + b"\x80" * 192))
    assert (seen[0] == 128).all()
    assert not seen[1:].any()


def test_16_bits_are_scaled_not_clipped():
    ramp = np.linspace(0, 65_535, 4096).astype(np.uint16).reshape(64, 64)
    seen = pixels(grey16(ramp))
    assert abs(seen.mean() - 127.5) < 1
    assert (seen[0, 0, 0], seen[-1, -1, 0]) == (0, 255)


def test_16_bit_colour_is_scaled_like_grey():
    rows = b"".join(b"\0" + bytes([high, 0] * 3) for high in (0, 64, 255))
    assert pixels(png(header(1, 3, 16, 2), rows))[:, 0, 0].tolist() == [0, 64, 255]


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpeg_of_other_colour_spaces_looks_the_same(mode):
    seen = pixels(saved(scene().convert(mode), "JPEG", quality=95))
    expected = np.asarray(scene().convert(mode).convert("RGB")).astype(int)
    assert np.abs(seen - expected).mean() < 3


def test_jpeg_that_stores_rgb_keeps_its_colours():
    stored = saved(scene(), "JPEG", keep_rgb=True, quality=95)
    assert np.abs(pixels(stored).astype(int) - np.asarray(scene())).mean() < 3


@pytest.mark.parametrize("kind", FORMATS)
def test_limits_are_named_and_hold_to_the_pixel(kind):
    file = saved(scene(), kind)
    for limits in (
        UploadLimits(max_bytes=len(file)),
        UploadLimits(max_pixels=48 * 32),
        UploadLimits(max_side=48),
    ):
        read_picture(file, limits, "image")
    for limits, words in (
        (UploadLimits(max_bytes=len(file) - 1), f"{len(file) - 1} bytes"),
        (UploadLimits(max_pixels=48 * 32 - 1), f"48x32 pixels; at most {48 * 32 - 1}"),
        (UploadLimits(max_side=47), "47 on a side"),
    ):
        error = refusal(file, limits)
        assert error.code == "image_too_large"
        assert words in str(error)


@pytest.mark.parametrize("size", [(10_000, 9000), (30_000, 30_000)])
def test_what_pillow_calls_a_bomb_is_too_large(size):
    error = refusal(PNG + header(*size) + chunk(b"IDAT", b"x" * 99) + chunk(b"IEND", b""))
    assert error.code == "image_too_large"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_are_named(kind):
    moving = saved(scene(), kind, save_all=True, append_images=[scene().rotate(90)])
    assert "animated" in str(refusal(moving))


def test_messages_never_echo_the_file():
    file = with_chunks(saved(scene(), "PNG"), chunk(b"SECR", b"secret"))
    assert "sec" not in str(refusal(file)).lower()


def test_mask_paints_where_it_is_transparent():
    mask = to_array(read_mask(clear_where(quarter()), LIMITS, (48, 32)))
    assert np.array_equal(mask, np.repeat(quarter()[:, :, None] == 0, 3, axis=2) * 255)


@pytest.mark.parametrize(("alpha", "painted"), [(127, True), (128, False)])
def test_mask_has_two_values(alpha, painted):
    sketch = quarter(alpha)
    sketch[-1, -1] = 0
    mask = to_array(read_mask(clear_where(sketch), LIMITS, (48, 32)))
    assert mask[0, 0, 0] == (255 if painted else 0)
    assert mask[-1, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (saved(scene(), "PNG"), "needs an alpha channel"),
        (saved(scene(), "JPEG"), "needs an alpha channel"),
        (clear_where(quarter(128)), "nothing to paint"),
        (clear_where(quarter()[:, :40]), "is 40x32, the picture 48x32"),
    ],
    ids=["opaque PNG", "JPEG", "no transparent pixel", "size"],
)
def test_masks_that_say_nothing_are_refused(file, words):
    with pytest.raises(RequestError, match=words) as caught:
        read_mask(file, LIMITS, (48, 32))
    assert (caught.value.code, caught.value.param) == ("invalid_mask", "mask")


def test_broken_mask_is_a_broken_file():
    with pytest.raises(RequestError) as caught:
        read_mask(b"", LIMITS, (48, 32))
    assert (caught.value.code, caught.value.param) == ("invalid_image_file", "mask")


def test_fitted_leaves_a_picture_of_the_right_size_alone():
    picture = from_image(scene())
    assert fitted(picture, 48, 32) is picture


def test_fitted_resizes_smoothly():
    picture = fitted(from_image(scene(480, 320)), 64, 64)
    assert (picture.width, picture.height) == (64, 64)
    red = to_array(picture)[:, :, 0].astype(int)
    assert (np.diff(red.mean(axis=0)) > 0).all()


def test_fitted_mask_keeps_two_values():
    mask = fitted(read_mask(clear_where(quarter()), LIMITS, (48, 32)), 100, 90, mask=True)
    values = to_array(mask)
    assert set(np.unique(values)) == {0, 255}
    assert abs((values == 255).mean() - 0.25) < 0.02


def url(data, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@given(st.binary(max_size=100))
def test_data_url_gives_its_bytes(data):
    assert data_url(url(data), LIMITS, "image") == data


def test_data_url_may_have_parameters_and_capitals():
    assert data_url("DATA:image/svg+xml;charset=utf-8;BASE64,YQ==", LIMITS, "image") == b"a"


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/cat.png",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://example.com/a.png",
        " data:image/png;base64,YQ==",
        "//example.com/a.png",
        "",
    ],
)
def test_remote_pictures_are_not_fetched(text):
    with pytest.raises(RequestError, match="not fetched") as caught:
        data_url(text, LIMITS, "image")
    assert (caught.value.code, caught.value.param) == ("unsupported_image_url", "image")


@pytest.mark.parametrize(
    "text",
    [
        "data:,a",
        "data:image/png,a",
        "data:text/html;base64,YQ==",
        "data:image/png;base64,YQ",
        "data:image/png;base64,YQ==YQ==",
        "data:image/png;base64,Y Q==",
        "data:image/png;base64,YQ==\n",
        "data:image/png;base64,Y-_=",
        "data:image/png;base64,ä",
        "data:image/png;base64,\ud800",
        "data:image/png" + ";a=b" * 50 + ";base64,YQ==",
    ],
)
def test_data_urls_are_read_strictly(text):
    with pytest.raises(RequestError) as caught:
        data_url(text, LIMITS, "image")
    assert caught.value.code == "invalid_image_file"


def test_data_url_that_is_too_long_is_not_decoded():
    limits = UploadLimits(max_bytes=10)
    assert data_url(url(bytes(10)), limits, "image") == bytes(10)
    with pytest.raises(RequestError, match="10 bytes") as caught:
        data_url("data:image/png;base64," + "!" * 17, limits, "image")
    assert caught.value.code == "image_too_large"


async def test_decoded_returns_what_the_read_returns_or_raises():
    file = saved(scene(), "PNG")
    picture = await decoded(lambda: read_picture(file, LIMITS, "image"), LIMITS, "image")
    assert isinstance(picture, Picture)
    with pytest.raises(RequestError, match="PNG, JPEG or WEBP"):
        await decoded(lambda: read_picture(b"", LIMITS, "image"), LIMITS, "image")


async def test_slow_reads_time_out_and_keep_their_places_until_they_end():
    limits = UploadLimits(decode_seconds=0.05)
    end = threading.Event()
    slow = [decoded(end.wait, limits, "image") for _ in range(DECODES_AT_ONCE)]
    try:
        for outcome in await asyncio.gather(*slow, return_exceptions=True):
            assert isinstance(outcome, RequestError)
            assert (outcome.code, outcome.param) == ("invalid_image_file", "image")
            assert "0.05 s" in str(outcome)
        with pytest.raises(Overloaded):
            await decoded(lambda: "never read", limits, "image")
    finally:
        end.set()
    assert await decoded(lambda: "read", LIMITS, "image") == "read"


async def test_no_more_than_the_allowed_number_decode_at_once():
    running, most, lock = 0, 0, threading.Lock()

    def read():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1

    await asyncio.gather(*(decoded(read, LIMITS, "image") for _ in range(10)))
    assert most == DECODES_AT_ONCE
