"""The part of a depth map that a paper's evaluation looks at."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from cnnlib.types import Size

Crop: TypeAlias = Literal["eigen_nyu", "eigen_kitti", "garg"]

_SHARES: dict[str, tuple[float | Fraction, ...]] = {
    "eigen_nyu": (Fraction(45, 480), Fraction(471, 480), Fraction(41, 640), Fraction(601, 640)),
    "eigen_kitti": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
}
"""Top, bottom, left and right edge, as shares of height and width."""


@dataclass(frozen=True)
class DepthProtocol:
    """Which pixels count, and what predictions are limited to.

    ``eigen_nyu``, for NYUv2, is the rows 45 to 470 and the columns 41 to 600 of 480 x 640 pixels; ``eigen_kitti`` and
    ``garg``, for KITTI, are shares of height and width, rounded down. In pictures of other sizes all keep their shares.
    With a cap, pixels whose true depth is not between the caps do not count, and predictions are clamped to them.

    Source: Eigen et al., Depth map prediction from a single image using a multi-scale deep network, NIPS 2014; Garg et
    al., Unsupervised CNN for single view depth estimation, ECCV 2016; the numbers are those of the evaluation scripts
    of Monodepth (github.com/mrharicot/monodepth) and BTS (github.com/cleinc/bts)
    """

    crop: Crop | None = None
    min_depth: float | None = None
    max_depth: float | None = None

    def apply(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """Predictions (B, 1, H, W) within the caps, and the pixels that count, (B, 1, H, W); NaN stays NaN."""
        if self.min_depth is not None:
            valid = valid & (target > self.min_depth)
        if self.max_depth is not None:
            valid = valid & (target < self.max_depth)
        if self.crop is not None:
            valid = valid & inside_crop(self.crop, size).to(valid.device)
        if self.min_depth is not None or self.max_depth is not None:
            pred = pred.clamp(self.min_depth, self.max_depth)
        return pred, valid


def inside_crop(crop: Crop, size: Size) -> Tensor:
    """bool (H, W)."""
    height, width = size
    sides = (height, height, width, width)
    top, bottom, left, right = (int(share * side) for share, side in zip(_SHARES[crop], sides, strict=True))
    inside = torch.zeros(size, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    return inside
