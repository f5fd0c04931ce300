"""A configuration that could not be honoured is refused when it is read."""

import pytest
from pydantic import ValidationError

from deployments.gateway.config import GatewayConfig

WHOLE = {
    "model": "miniature",
    "native_sizes": ("64x64",),
    "default_steps": 20,
    "default_guidance_scale": 4.0,
}


def test_four_settings_are_enough():
    assert GatewayConfig.model_validate(WHOLE).sizes == ("64x64",)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"default_step": 3}, "Extra inputs"),
        ({"native_sizes": ()}, "at least 1"),
        ({"native_sizes": ("64",)}, "pattern"),
        ({"resized_sizes": {"96x64": "64x64"}}, "would distort"),
        ({"resized_sizes": {"128x128": "32x32"}}, "not native"),
        ({"resized_sizes": {"64x64": "64x64"}}, "needs no resize"),
        ({"aliases": ("miniature",)}, "unique"),
        ({"default_steps": 150}, "max_steps"),
        ({"quality_steps": {"high": 150}}, "max_steps"),
        ({"quality_steps": {"best": 10}}, "quality_steps"),
        ({"max_guidance_scale": 3.0}, "above max_guidance_scale"),
        ({"max_pictures": 11}, "less than or equal to 10"),
    ],
)
def test_misfit_is_refused_and_named(change, why):
    with pytest.raises(ValidationError, match=why):
        GatewayConfig.model_validate(WHOLE | change)
