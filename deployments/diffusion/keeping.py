"""An edit that stays where it belongs: everywhere else, the given picture is kept.

An instruction concerns the places where the prediction with it differs from the one without it
(relevance; Mirzaei et al., arXiv:2308.08947). When the first steps have shown them, the predicted
clean latent of all other places becomes the given picture's own, and whatever scheduler it is
carries that to the end. No mask is needed, and no other model.
"""

import torch
from torch.nn import functional

from deployments.diffusion.config import Keep
from deployments.diffusion.steering import Moment


class Keeping:
    """What one edit has shown so far of the places that it concerns.

    Args:
        config: from when on other places are kept, and what counts as another place.
        scale: of the autoencoder: latents of the denoiser over latents as encoded.
    """

    def __init__(self, config: Keep, scale: float) -> None:
        self._config, self._scale = config, scale
        self._relevance: torch.Tensor | None = None

    def kept(self, moment: Moment, answers: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """The model output whose clean latent is the given picture's where nothing is asked for.

        Args:
            answers: (2 or more, C, H, W), the denoiser's with and without the instruction first.
            given: (1, C, H, W), the picture's latent as encoded.
        """
        difference = (answers[0] - answers[1]).float().abs().mean(dim=0) * abs(moment.affine.b)
        self._relevance = difference + (0.0 if self._relevance is None else self._relevance)
        if moment.progress < self._config.start:
            return moment.output
        clean = moment.affine.clean(moment.sample, moment.output)
        shift = given.float() * self._scale - clean
        return moment.affine.moved(moment.output, shift * ~self._concerned(self._relevance))

    def _concerned(self, relevance: torch.Tensor) -> torch.Tensor:
        """(H, W) bool: the relevant places and their neighbours."""
        places = (relevance > self._config.threshold * relevance.max()).float()
        return functional.max_pool2d(places[None], 3, stride=1, padding=1)[0] > 0
