"""Defocus."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from cnnlib.augmentations.base import Photometric
from cnnlib.augmentations.parameters import Probability, uniform
from cnnlib.checks import checked
from cnnlib.types import CnnlibError


@checked
@dataclass
class Blur(Photometric):
    """Blurs with a Gaussian, of one width for all images of a sample.

    Args:
        min_sigma, max_sigma: the range that the Gaussian's standard deviation is drawn from, in pixels.
        p: probability that a sample is changed.

    Raises:
        CnnlibError: unless ``min_sigma <= max_sigma``.
    """

    name = "blur"
    min_sigma: Annotated[float, Ge(0.05), Le(20)] = 0.3
    max_sigma: Annotated[float, Ge(0.05), Le(20)] = 1.2
    p: Probability = 0.2

    def __post_init__(self) -> None:
        if self.min_sigma > self.max_sigma:
            raise CnnlibError(f"min_sigma must not exceed max_sigma; got {self}")

    def alter(self, images: Tensor) -> Tensor:
        sigma = uniform(self.min_sigma, self.max_sigma)
        # Three standard deviations, or what a small image allows: its border is mirrored, and only once.
        kernel = [
            2 * min(math.ceil(3 * sigma), side - 1) + 1 for side in (images.shape[-1], images.shape[-2])
        ]
        return F.gaussian_blur(images, kernel, [sigma, sigma]).clamp_(0, 1)
