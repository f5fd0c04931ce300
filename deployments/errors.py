"""The errors of Safelight. Each leaf is a cause that a caller can name.

    SafelightError
    ├── RequestError            4xx  the request is malformed; `code` and `param` say where
    ├── ContentBlocked          400  the policy refuses the prompt or every picture made from it
    ├── Unavailable             503  a stage cannot answer; nothing unchecked leaves
    │   ├── Overloaded          429  the queue is full; come back after `retry_after` seconds
    │   ├── StageTimeout        503  a stage outlived its deadline
    │   ├── StageFailed         503  a stage raised, died, or could not be reached
    │   └── UnparsableAnswer    503  a model answered outside its answer form
    ├── Cancelled                    the caller hung up or a block made the work pointless
    └── ConfigurationError           the service must not start

Errors of lower libraries are mapped to these at the boundary and chained (`raise ... from`).
"""

from collections.abc import Mapping
from typing import Any


class SafelightError(Exception):
    """Root of the tree. `status` is the HTTP status that the gateway answers with."""

    status = 500


class RequestError(SafelightError):
    """The request cannot be honoured as it stands.

    `code` is stable and machine-readable, `param` names the offending field (or None). `status` is
    another one than 400 where HTTP has one for the cause, such as 413. `headers` go with the
    answer.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        param: str | None = None,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.param, self.status = code, param, status
        self.headers = dict(headers or {})

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments do not survive pickling by themselves.
        return (_request_error, (str(self), self.code, self.param, self.status, self.headers))


def _request_error(
    message: str, code: str, param: str | None, status: int, headers: dict[str, str]
) -> RequestError:
    return RequestError(message, code=code, param=param, status=status, headers=headers)


class ContentBlocked(SafelightError):
    """The policy refuses. `moderation_stage` is `input` or `output`; `categories` are its ids."""

    status = 400

    def __init__(self, message: str, moderation_stage: str, categories: tuple[str, ...]) -> None:
        super().__init__(message, moderation_stage, categories)
        self.message = message
        self.moderation_stage = moderation_stage
        self.categories = categories

    def __str__(self) -> str:
        return self.message


class Unavailable(SafelightError):
    """A stage cannot answer now. `retry_after` is in seconds, 1 to 300."""

    status = 503

    def __init__(self, stage: str, why: str, retry_after: float = 5.0) -> None:
        super().__init__(stage, why, retry_after)
        self.stage = stage
        self.why = why
        self.retry_after = min(max(retry_after, 1.0), 300.0)

    def __str__(self) -> str:
        return f"{self.stage}: {self.why}"


class Overloaded(Unavailable):
    """The stage's queue is full."""

    status = 429


class StageTimeout(Unavailable):
    """The stage's deadline passed; it includes waiting for a replica."""


class StageFailed(Unavailable):
    """The stage raised, its replica died, or it could not be reached."""


class UnparsableAnswer(Unavailable):
    """A model's answer does not fit its declared form. Unknown is not safe."""


class Cancelled(SafelightError):
    """Work stopped because nobody wants its result any more."""


class ConfigurationError(SafelightError):
    """The configuration cannot give a safe service; the message says what to change."""
