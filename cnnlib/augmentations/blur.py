"""Defocus."""

from __future__ import annotations

import math

from torch import Tensor
from torchvision.transforms.v2 import functional as F

from cnnlib.augmentations.base import Photometric
from cnnlib.augmentations.parameters import uniform
from cnnlib.checks import check_range
from cnnlib.types import CnnlibError


class Blur(Photometric):
    """Blurs with a Gaussian, of one width for all images of a sample.

    Args:
        min_sigma, max_sigma: the range that the Gaussian's standard deviation is drawn from, in pixels.
        p: probability that a sample is changed.

    Raises:
        CnnlibError: unless ``0.05 <= min_sigma <= max_sigma <= 20`` and ``p`` is in [0, 1].
    """

    name = "blur"

    def __init__(self, min_sigma: float = 0.3, max_sigma: float = 1.2, p: float = 0.2) -> None:
        super().__init__(p)
        check_range("blur: min_sigma", min_sigma, least=0.05, most=20)
        check_range("blur: max_sigma", max_sigma, least=0.05, most=20)
        if min_sigma > max_sigma:
            raise CnnlibError(
                f"blur: min_sigma must not exceed max_sigma; got min_sigma={min_sigma}, max_sigma={max_sigma}"
            )
        self.min_sigma = min_sigma
        self.max_sigma = max_sigma

    def alter(self, images: Tensor) -> Tensor:
        sigma = uniform(self.min_sigma, self.max_sigma)
        # Three standard deviations, or what a small image allows: its border is mirrored, and only once.
        kernel = [
            2 * min(math.ceil(3 * sigma), side - 1) + 1 for side in (images.shape[-1], images.shape[-2])
        ]
        return F.gaussian_blur(images, kernel, [sigma, sigma]).clamp_(0, 1)
