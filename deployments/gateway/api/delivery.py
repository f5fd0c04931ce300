"""How released pictures are handed over."""

from deployments.contracts import Contract
from deployments.gateway.api.bodies import OutputFormat
from deployments.gateway.config import Quality


class Delivery(Contract):
    """What the client gets: `width` x `height` pixels, in this format.

    `compression` is 0 to 100 as `output_compression` has it: 100 keeps the most. `quality` is None
    where a neutral value was asked for.
    """

    width: int
    height: int
    output_format: OutputFormat
    compression: int
    quality: Quality | None
    safety_identifier: str | None

    @property
    def size(self) -> str:
        """The size as the API writes it."""
        return f"{self.width}x{self.height}"
