"""An answer before it is bytes."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from starlette.responses import JSONResponse, Response

from deployments.contracts import Safety

Json = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """An answer. Each carries its trace, an error's too."""

    body: Json = field(repr=False)
    safety: Safety
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def document(self) -> Json:
        """The body with `safety` beside what is there (and merged with a `safety` in it)."""
        safety = {**self.safety.model_dump(mode="json"), **self.body.get("safety", {})}
        return {**self.body, "safety": safety}

    def render(self) -> Response:
        """As HTTP, rendered once.

        Raises:
            ValueError: a number in the body is not finite, or a text is not Unicode.
        """
        return self._rendered

    @cached_property
    def _rendered(self) -> Response:
        return JSONResponse(self.document, self.status, self.headers)
