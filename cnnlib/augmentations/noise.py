"""Sensor noise."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torchvision.transforms.v2 import functional as F

from cnnlib.augmentations.base import Photometric
from cnnlib.augmentations.parameters import Probability, Share, uniform
from cnnlib.checks import checked


@checked
@dataclass
class Noise(Photometric):
    """Adds Gaussian noise, independent in every pixel, channel and image.

    Args:
        std: the largest standard deviation; that of a sample is drawn from [0, std]. Images are in [0, 1].
        p: probability that a sample is changed.
    """

    name = "noise"
    std: Share = 0.03
    p: Probability = 0.5

    def alter(self, images: Tensor) -> Tensor:
        return F.gaussian_noise(images, sigma=uniform(0, self.std), clip=True)
