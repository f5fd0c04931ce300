"""Pictures that stand in a request as data URLs."""

import base64
import re

from deployments.errors import RequestError
from deployments.gateway.uploads.limits import UploadLimits, refused, too_many_bytes


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
        raise refused(param, "is not of the form data:image/png;base64,...")
    # Base64 has four characters for every three bytes or part thereof.
    if len(text) - head.end() > (limits.max_bytes + 2) // 3 * 4:
        raise too_many_bytes(limits, param)
    try:
        return base64.b64decode(text[head.end() :], validate=True)
    except ValueError as error:
        raise refused(param, "is not valid base64") from error
