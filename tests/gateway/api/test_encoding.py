"""Released pictures as files: pixels stay what they were judged to be."""

import hashlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deployments.errors import StageFailed
from deployments.gateway.api.delivery import Delivery
from deployments.gateway.api.encoding import annotate, encode
from tests.gateway.services import make_picture

NOTES = {"request_id": "r1", "policy_hash": "abc"}


def encoded(picture, width=64, height=64, output_format="png", compression=100):
    delivery = Delivery(
        width=width,
        height=height,
        output_format=output_format,
        compression=compression,
        quality=None,
        safety_identifier=None,
    )
    return encode(picture, delivery, "lanczos", NOTES)


def opened(data):
    return Image.open(BytesIO(data))


@given(st.integers(0, 2**16), st.integers(1, 40), st.integers(1, 40))
def test_png_of_its_own_size_keeps_every_pixel(seed, width, height):
    picture = make_picture(seed, width, height)
    image = opened(encoded(picture, width, height))
    assert hashlib.sha256(image.tobytes()).hexdigest() == picture.sha256
    assert image.info == NOTES


def test_notes_leave_all_other_bytes_of_the_png_as_they_were():
    png = make_picture().png
    noted = annotate(png, NOTES)
    assert noted[:33] == png[:33]
    assert noted.endswith(png[33:])


def test_resized_png_is_the_filter_applied_to_the_judged_pixels():
    picture = make_picture()
    expected = opened(picture.png).resize((128, 128), Image.Resampling.LANCZOS)
    image = opened(encoded(picture, 128, 128))
    assert image.tobytes() == expected.tobytes()
    assert image.info == NOTES


@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
def test_less_compression_keeps_more_and_costs_more(output_format):
    sizes = [len(encoded(make_picture(), 64, 64, output_format, c)) for c in (0, 50, 100)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


def test_pixels_that_are_not_those_of_the_verdict_stay_inside():
    swapped = make_picture(1).model_copy(update={"sha256": make_picture(2).sha256})
    with pytest.raises(StageFailed, match="changed after it was judged"):
        encoded(swapped)


@pytest.mark.parametrize("damage", [b"", b"not a png", make_picture().png[:200]])
def test_broken_png_stays_inside(damage):
    with pytest.raises(StageFailed):
        encoded(make_picture().model_copy(update={"png": damage}))
