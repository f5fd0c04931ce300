"""From a stage's logit to the policy's scale, where 0.5 is the point from which it acts."""

import math
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from deployments.errors import ConfigurationError

CALIBRATION_FILE = "calibration.json"


class Calibration(BaseModel):
    """P(unsafe) = sigmoid(scale * logit + bias), after Platt (1999).

    The default leaves the model's own probability.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float = 1.0
    bias: float = 0.0

    @classmethod
    def of_model(cls, folder: str) -> Self:
        """The calibration that lies beside a model's weights, or none.

        Raises:
            ConfigurationError: the file is not of this form.
        """
        file = Path(folder) / CALIBRATION_FILE
        try:
            return cls.model_validate_json(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, ValidationError) as error:
            raise ConfigurationError(f"cannot read {str(file)!r}: {error}") from error

    def probability(self, logit: float) -> float:
        """In [0, 1], rising with the logit if `scale` is positive."""
        return 0.5 * (1.0 + math.tanh(0.5 * (self.scale * logit + self.bias)))
