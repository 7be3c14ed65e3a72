"""Sensor noise."""

from __future__ import annotations

from torch import Tensor
from torchvision.transforms.v2 import functional as F

from cnnlib.augmentations.base import Photometric
from cnnlib.augmentations.parameters import uniform
from cnnlib.checks import check_range


class Noise(Photometric):
    """Adds Gaussian noise, independent in every pixel, channel and image.

    Args:
        std: the largest standard deviation; that of a sample is drawn from [0, std]. Images are in [0, 1].
        p: probability that a sample is changed.

    Raises:
        CnnlibError: unless both are in [0, 1].
    """

    name = "noise"

    def __init__(self, std: float = 0.03, p: float = 0.5) -> None:
        super().__init__(p)
        check_range("noise: std", std, least=0, most=1)
        self.std = std

    def alter(self, images: Tensor) -> Tensor:
        return F.gaussian_noise(images, sigma=uniform(0, self.std), clip=True)
