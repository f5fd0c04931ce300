"""A drawn picture, between the pipeline's pixels and the generation that leaves the service."""

from dataclasses import dataclass

import numpy as np

from deployments import pictures
from deployments.contracts import Generation, GenerationRequest, Picture
from deployments.errors import StageFailed


@dataclass(frozen=True)
class Drawing:
    """A generation whose picture is not encoded yet; `pixels` is (H, W, 3) float in [0, 1].

    The other fields are those of `contracts.Generation`.
    """

    request: GenerationRequest
    pixels: np.ndarray
    steps: int
    row_steps: int
    turned_at_step: int | None
    turned_for: str | None
    score_before: float | None
    prompt_tokens: int
    latent_positions: int
    ms: float

    def developed(self) -> Generation:
        """The generation. Raises StageFailed if the pixels are no picture."""
        return Generation(
            picture=_picture(self.pixels, self.request),
            seed=self.request.seed,
            steps=self.steps,
            row_steps=self.row_steps,
            turned_at_step=self.turned_at_step,
            turned_for=self.turned_for,
            score_before=self.score_before,
            prompt_tokens=self.prompt_tokens,
            latent_positions=self.latent_positions,
            ms=self.ms,
        )


def outside_kept(pixels: np.ndarray, request: GenerationRequest) -> np.ndarray:
    """The picture with what lies outside the mask as it was, to the last bit.

    The autoencoder's error alone would change all of it.
    """
    if request.image is None or request.mask is None:
        return pixels
    inside = pictures.to_array(request.mask)[:, :, :1] >= 128
    return np.where(inside, pixels, pictures.to_array(request.image) / 255.0)


def _picture(pixels: np.ndarray, request: GenerationRequest) -> Picture:
    """Pixels in [0, 1], (H, W, 3), as a picture. Raises StageFailed for what is no picture."""
    if not np.isfinite(pixels).all():
        raise StageFailed("diffusion", "the picture has values that are no numbers; try float32")
    picture = pictures.from_array((pixels * 255).round().clip(0, 255).astype(np.uint8))
    if (picture.width, picture.height) != (request.width, request.height):
        raise StageFailed("diffusion", f"the model made {picture.width}x{picture.height}")
    return picture
