"""What would become of prompts: asked of a running service over HTTP, or of one in this process."""

from dataclasses import dataclass
from typing import Any

import httpx

from deployments.contracts import Change, Operation

TIMEOUT = 120


@dataclass(frozen=True)
class Previewed:
    """The prompt side's decision, the prompt after it, and what was changed on the way."""

    action: str
    prompt: str
    changes: tuple[Change, ...]

    @classmethod
    def of(cls, body: dict[str, Any]) -> "Previewed":
        """From the body of an answer of /v1/safety/preview."""
        changes = tuple(
            Change(kind=c["kind"], before=c["from"], after=c["to"], why=c["why"])
            for c in body["changes"]
        )
        return cls(body["action"], body["revised_prompt"], changes)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of the changes."""
        return frozenset(change.kind for change in self.changes)

    @property
    def stopped(self) -> bool:
        """Whether harm was seen: blocked, or softened."""
        return self.action == "block" or "soften" in self.kinds


class OverHTTP:
    """The prompt side of the running service at `url`."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT)

    async def preview(
        self, prompt: str, operation: Operation = "generate", seed: int = 0
    ) -> Previewed:
        """Raises httpx.HTTPStatusError where there is no answer."""
        asked = {"prompt": prompt, "operation": operation, "seed": seed}
        answer = await self._client.post("/v1/safety/preview", json=asked)
        return Previewed.of(answer.raise_for_status().json())

    async def start(self) -> None:
        """Connections are opened as they are needed."""

    async def stop(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
