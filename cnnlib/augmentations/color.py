"""Brightness, contrast, saturation and hue."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from cnnlib.augmentations.base import Photometric
from cnnlib.augmentations.parameters import Probability, Share, uniform
from cnnlib.checks import checked

# The luma, and the two colour differences of the YIQ space, of (R, G, B).
_RGB_TO_YIQ = torch.tensor(
    [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]], dtype=torch.float64
)
_YIQ_TO_RGB = torch.linalg.inv(_RGB_TO_YIQ)


@checked
@dataclass
class Color(Photometric):
    """Jitters the colours, by one and the same function for all images of a sample.

    All four changes are linear in (R, G, B), so that one 3 x 3 matrix makes them, many times faster than a
    detour over HSV: hue turns, and saturation scales, the two colour differences of the YIQ space;
    brightness scales everything; contrast scales the distance from the mean luma of the sample.

    Args:
        brightness, contrast, saturation: each is scaled by a factor drawn from [1 - value, 1 + value].
        hue: turned by a share of the full circle drawn from [-hue, hue].
        p: probability that a sample is changed.
    """

    name = "color"
    brightness: Share = 0.2
    contrast: Share = 0.2
    saturation: Share = 0.2
    hue: Annotated[float, Ge(0), Le(0.5)] = 0.02
    p: Probability = 0.8

    def alter(self, images: Tensor) -> Tensor:
        factors = [
            uniform(1 - value, 1 + value) for value in (self.brightness, self.contrast, self.saturation)
        ]
        return recolor(images, *factors, uniform(-self.hue, self.hue))


def recolor(images: Tensor, brightness: float, contrast: float, saturation: float, hue: float) -> Tensor:
    """Images (N, 3, H, W) in [0, 1] with three factors and a turn of the hue (a share of the circle) applied."""
    matrix = brightness * _turn_colors(2 * math.pi * hue, saturation)
    mean_luma = brightness * (_RGB_TO_YIQ[0] @ images.mean(dim=(0, 2, 3)).double())
    offset = ((1 - contrast) * mean_luma).to(images)
    changed = (contrast * matrix).to(images) @ images.flatten(2)  # (3, 3) @ (N, 3, H W)
    return changed.add_(offset).clamp_(0, 1).view_as(images)


def _turn_colors(angle: float, saturation: float) -> Tensor:
    """float64 (3, 3): turns and scales the colour differences, and leaves the luma."""
    cos, sin = saturation * math.cos(angle), saturation * math.sin(angle)
    turn = torch.tensor([[1, 0, 0], [0, cos, -sin], [0, sin, cos]], dtype=torch.float64)
    return _YIQ_TO_RGB @ turn @ _RGB_TO_YIQ
