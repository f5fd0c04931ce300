"""POST /v1/images/edits at the edge: both forms, every field, and files that nobody can trust."""

import base64
from io import BytesIO

import numpy as np
import pytest
from openai.types import ImagesResponse
from PIL import Image

from deployments import pictures
from deployments.gateway.config import EditSettings
from deployments.gateway.edge.app import create_app
from deployments.gateway.uploads.limits import UploadLimits
from tests.gateway.uploads.hostile import hostile_uploads

URL = "/v1/images/edits"
SETTINGS = EditSettings(
    guidance_scale=3.0,
    image_guidance_scale=1.5,
    faithful_scale=2.0,
)


@pytest.fixture
def config(config):
    limits = UploadLimits(max_bytes=200_000)
    return config.model_copy(
        update={"edits": SETTINGS, "uploads": limits, "max_upload_body_bytes": 500_000}
    )


def portrait(side: int = 64) -> bytes:
    return _file(Image.fromarray(np.full((side, side, 3), 120, np.uint8)))


def mask(side: int = 64) -> bytes:
    pixels = np.full((side, side, 4), 255, np.uint8)
    pixels[: side // 2, :, 3] = 0
    return _file(Image.fromarray(pixels))


def _file(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def url(data: bytes) -> dict[str, str]:
    return {"image_url": "data:image/png;base64," + base64.b64encode(data).decode()}


async def send(http, files=None, **fields):
    files = {"image": ("a.png", portrait())} if files is None else files
    return await http.post(URL, data={"prompt": "make them smile"} | fields, files=files)


# What comes through


async def test_the_official_client_edits_a_picture(client, services, official):
    answer = await client.images.edit(
        image=("a.png", portrait()), prompt="make them smile", n=2, extra_body={"seed": 5}
    )
    official(ImagesResponse, answer.model_dump(exclude_unset=True))
    first, second = services.requests
    assert (first.prompt, first.seed, second.seed) == ("make them smile", 5, 6)
    assert services.read[0].operation == "edit"
    assert (pictures.to_array(first.image) == 120).all()
    assert first.mask is None
    assert (first.guidance_scale, first.image_guidance_scale) == (3.0, 1.5)
    assert len(answer.data) == 2
    details = answer.usage.input_tokens_details
    assert details.image_tokens == answer.usage.output_tokens // 2 > 0
    assert answer.usage.input_tokens == details.image_tokens + details.text_tokens


async def test_the_official_client_paints_within_a_mask(client, services):
    await client.images.edit(
        image=("a.png", portrait()), mask=("m.png", mask()), prompt="a red hat"
    )
    (request,) = services.requests
    painted = pictures.to_array(request.mask)
    assert (painted[:32] == 255).all()
    assert (painted[32:] == 0).all()
    assert request.guidance_scale == 4.0  # as from text alone


async def test_pictures_and_masks_of_another_size_are_fitted_to_the_model_s(client, services):
    files = {"image": ("a.png", portrait(200)), "mask": ("m.png", mask(200))}
    await client.images.edit(**files, prompt="a red hat", size="96x64")
    (request,) = services.requests
    assert {(p.width, p.height) for p in (request.image, request.mask)} == {(96, 64)}
    assert set(np.unique(pictures.to_array(request.mask))) == {0, 255}


async def test_json_does_what_multipart_does(http, services):
    body = {"prompt": "make them smile", "images": [url(portrait())], "mask": url(mask())}
    answer = await http.post(URL, json=body | {"seed": 3, "n": 1})
    assert answer.status_code == 200
    (request,) = services.requests
    assert request.seed == 3
    assert request.mask is not None


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("num_inference_steps", "7", "steps", 7),
        ("guidance_scale", "6.5", "guidance_scale", 6.5),
        ("image_guidance_scale", "3", "image_guidance_scale", 3.0),
        ("input_fidelity", "high", "image_guidance_scale", 2.0),
        ("input_fidelity", "low", "image_guidance_scale", 1.5),
        ("quality", "low", "steps", 8),
    ],
)
async def test_fields_of_the_form_are_honoured(http, services, field, value, attribute, expected):
    answer = await send(http, **{field: value})
    assert answer.status_code == 200, answer.text
    assert getattr(services.requests[0], attribute) == expected


async def test_fields_for_the_prompt_are_honoured(http, services):
    assert (await send(http, n="3", moderation="low", rewrite="off")).status_code == 200
    assert len(services.requests) == 3
    assert services.read[0].loosen
    services.action = "rewrite"
    assert (await send(http, rewrite="off")).json()["safety"]["decision"] == "blocked"


# What does not


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"prompt": ""}, "empty_string", "prompt"),
        ({"n": "many"}, "invalid_type", "n"),
        ({"n": "11"}, "integer_above_max_value", "n"),
        ({"markup": "x"}, "unsupported_parameter", "markup"),
        ({"partial_images": "1"}, "unsupported_value", "partial_images"),
        ({"negative_prompt": "x"}, "unknown_parameter", "negative_prompt"),
        ({"image_guidance_scale": "0.5"}, "decimal_below_min_value", "image_guidance_scale"),
        ({"size": "17x17"}, "invalid_value", "size"),
        ({"input_fidelity": "some"}, "unsupported_value", "input_fidelity"),
        (
            {"input_fidelity": "high", "image_guidance_scale": "2"},
            "conflicting_parameters",
            "image_guidance_scale",
        ),
    ],
)
async def test_what_cannot_be_honoured_is_refused(http, services, fields, code, param):
    answer = await send(http, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)
    assert services.requests == []


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"mask": ("m.png", mask())}, "missing_required_parameter"),
        ([("image[]", ("a", portrait())), ("image[]", ("b", portrait()))], "unsupported_value"),
        ({"image": ("a.png", b"no picture")}, "invalid_image_file"),
        ({"image": ("a.png", portrait() + b"x" * 200_000)}, "image_too_large"),
        ({"image": ("a.png", portrait()), "mask": ("m.png", mask(32))}, "invalid_mask"),
        ({"image": ("a.png", portrait()), "mask": ("m.png", portrait())}, "invalid_mask"),
        ({"image": ("a.png", portrait()), "prompt": ("p", b"text")}, "invalid_value"),
    ],
)
async def test_files_that_do_not_fit_are_refused(http, services, files, code):
    answer = await send(http, files)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert services.requests == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"images": [{"image_url": "http://169.254.169.254/latest"}]}, "unsupported_image_url"),
        ({"images": [{"image_url": "file:///etc/passwd"}]}, "unsupported_image_url"),
        ({"images": [{"file_id": "file-1"}]}, "unsupported_parameter"),
        ({"images": []}, "missing_required_parameter"),
        ({"images": "x"}, "invalid_type"),
        ({"images": [{"image_url": "data:image/png;base64,!"}]}, "invalid_image_file"),
        ({"mask": {"image_url": "https://example.com/m.png"}}, "unsupported_image_url"),
    ],
)
async def test_json_that_names_what_it_must_not_is_refused(http, services, change, code):
    body = {"prompt": "make them smile", "images": [url(portrait())]} | change
    answer = await http.post(URL, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert services.requests == []


@pytest.mark.parametrize("body", [b"", b"--x\r\n", b"--x\r\nbroken", b"--x--"])
async def test_a_broken_form_is_refused(http, body):
    answer = await http.post(
        URL, content=body, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 400
    unnamed = {"content-type": "multipart/form-data"}
    no_boundary = await http.post(URL, content=body, headers=unnamed)
    assert no_boundary.json()["error"]["code"] == "invalid_multipart"


PART = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a.png"\r\n\r\n%s\r\n'


@pytest.mark.parametrize(
    "cut", [b"--x--", b"--", b"\r\n--x--", PART % (b"mask", mask()) + b"--x--"]
)
async def test_a_form_that_is_cut_off_is_refused_not_answered_without_what_is_lost(http, cut):
    text = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na dog\r\n'
    body = text + PART % (b"image", portrait()) + PART % (b"mask", mask()) + b"--x--"
    kind = {"content-type": "multipart/form-data; boundary=x"}
    whole = await http.post(URL, content=body, headers=kind)
    assert whole.status_code == 200
    answer = await http.post(URL, content=body.removesuffix(cut), headers=kind)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_multipart")


async def test_a_body_beyond_the_limit_is_not_read(http):
    answer = await send(http, {"image": ("a.png", b"x" * 600_000)})
    assert answer.status_code == 413


async def test_a_service_that_edits_nothing_says_so(services, config, audit, readiness):
    import httpx

    plain = create_app(services, config.model_copy(update={"edits": None}), audit, readiness)
    transport = httpx.ASGITransport(plain)
    async with httpx.AsyncClient(transport=transport, base_url="http://safelight") as http:
        answer = await send(http)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_edit")


@pytest.mark.slow
async def test_no_hostile_file_is_answered_with_more_than_a_400(http, services, audited):
    for name, data, refused in hostile_uploads():
        answer = await send(http, {"image": ("a.png", data)})
        expected = {400, 413} if refused else {200, 400, 413}
        assert answer.status_code in expected, name
    assert (await send(http)).status_code == 200
    assert len(audited()) == len(list(hostile_uploads())) + 1
