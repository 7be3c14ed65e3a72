"""Hiding parts of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from cnnlib.augmentations.base import Photometric
from cnnlib.augmentations.parameters import Probability, Share, uniform
from cnnlib.checks import checked


@checked
@dataclass
class Cutout(Photometric):
    """Greys out rectangles at random places, the same in all images of a sample (DeVries and Taylor, 2017).

    Targets stay as they are: what is hidden has to be inferred from its surroundings.

    Args:
        holes: how many rectangles.
        size: height and width of each, as a share of the image's.
        p: probability that a sample is changed.
    """

    name = "cutout"
    holes: Annotated[int, Ge(1)] = 1
    size: Share = 0.25
    p: Probability = 0.5

    def alter(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        h, w = round(self.size * height), round(self.size * width)
        gray = images.new_full((1, 1, 1), 0.5)
        for _ in range(self.holes):
            top, left = int(uniform(0, height - h + 1)), int(uniform(0, width - w + 1))
            images = F.erase(images, top, left, h, w, gray)
        return images
