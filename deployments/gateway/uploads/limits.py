"""How large an uploaded picture may be, and how one is refused."""

from pydantic import Field

from deployments.configuration import Configuration
from deployments.errors import RequestError


class UploadLimits(Configuration):
    """How large an uploaded picture may be, and how long it may take to read."""

    max_bytes: int = Field(20_000_000, ge=1, description="of one file")
    max_pixels: int = Field(16_777_216, ge=1, description="width times height of one picture")
    max_side: int = Field(8192, ge=1, description="width and height of one picture, in pixels")
    decode_seconds: float = Field(20.0, gt=0, description="for one file to become a picture")


def refused(param: str, why: str, kind: str = "image_file") -> RequestError:
    """The file in a field is not what it should be; `why` ends a sentence about it."""
    return RequestError(f"'{param}' {why}.", code=f"invalid_{kind}", param=param)


def too_many_bytes(limits: UploadLimits, param: str) -> RequestError:
    """The file in a field is too long."""
    return RequestError(
        f"'{param}' is longer than {limits.max_bytes} bytes.", code="image_too_large", param=param
    )
