"""Structural similarity, at one scale and at several.

The statistics under each window are means over its valid pixels that lie in the image, weighted by a
Gaussian: at a border, and beside invalid pixels, the window shrinks. So a valid mask equals a crop, and
images smaller than the window need no padding. In the interior the map is that of the paper.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor

from cnnlib.losses.base import FunctionLoss, Positive
from cnnlib.losses.reduction import mean_over_images, mean_over_valid, valid_maps
from cnnlib.losses.window import window_sums

_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of Wang et al. 2003, finest first
_NOT_NEGATIVE = {"probabilities", "lengths", "heatmaps"}
_LEAST_SIMILARITY = 1e-4  # a fractional power of less has no useful gradient, and of a negative number none


def ssim_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    data_range: Positive | None = None,
    sigma: Annotated[float, Ge(0.5)] = 1.5,
) -> Tensor:
    """Structural dissimilarity: local means, contrasts and patterns instead of single pixels.

    The window shrinks at borders and beside invalid pixels, so images of any size are allowed.

    Formula: mean(1 - SSIM(p, t)), SSIM = (2 μp μt + c1) / (μp² + μt² + c1) · (2 σpt + c2) / (σp² + σt² + c2), c1 =
        (0.01 L)², c2 = (0.03 L)²
    Range: [0, 2]
    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, TIP 2004

    Args:
        data_range: L; null takes the largest valid |target| of each image, which is 1 for a mask and the farthest point
            for depth.
        sigma: standard deviation of the Gaussian window in pixels; 1.5 is the customary window of 11 pixels.
    """
    pred, target, valid = valid_maps(pred, target, valid)
    luminance, structure = similarity_maps(pred, target, valid, _peak(target, data_range), sigma)
    return mean_over_valid(1 - luminance * structure, valid)


class SSIMLoss(FunctionLoss, function=ssim_loss, values=_NOT_NEGATIVE, needs_map=True): ...


def ms_ssim_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    data_range: Positive | None = None,
    sigma: Annotated[float, Ge(0.5)] = 1.5,
) -> Tensor:
    """SSIM over up to five scales, each half the size of the one before.

    Small images have fewer: as many as leave the shorter side no shorter than the window (11 pixels), at
    least one, and the exponents w are rescaled to sum to 1. An image of 96 pixels has four.

    Formula: 1 - Π_s m_s^(w_s), image by image; m_s is at the last scale the mean of SSIM, at the others that of its
        second factor, (2 σpt + c2) / (σp² + σt² + c2), and at least 0.0001
    Range: [0, 1)
    Source: Wang et al., Multi-scale Structural Similarity for Image Quality Assessment, Asilomar 2003

    Args:
        data_range: L; null takes the largest valid |target| of each image, which is 1 for a mask and the farthest point
            for depth.
        sigma: standard deviation of the Gaussian window in pixels; 1.5 is the customary window of 11 pixels.
    """
    pred, target, valid = valid_maps(pred, target, valid)
    peak = _peak(target, data_range)
    weights = _SCALE_WEIGHTS[: _scale_count(pred, sigma)]
    coarse_pred, coarse_target, coarse_valid = pred, target, valid
    similarity = torch.ones_like(pred[:, :, 0, 0])  # (B, C)
    for scale, weight in enumerate(weights, start=1):
        luminance, structure = similarity_maps(coarse_pred, coarse_target, coarse_valid, peak, sigma)
        factor = luminance * structure if scale == len(weights) else structure
        counts = coarse_valid.sum(dim=(2, 3)).clamp(min=1)
        mean = torch.where(coarse_valid, factor, 0.0).sum(dim=(2, 3)) / counts
        similarity = similarity * mean.clamp(min=_LEAST_SIMILARITY) ** (weight / sum(weights))
        if scale < len(weights):
            coarse_pred, _ = _halve(coarse_pred, coarse_valid)
            coarse_target, coarse_valid = _halve(coarse_target, coarse_valid)
    return mean_over_images(1 - similarity, valid)


class MSSSIMLoss(FunctionLoss, function=ms_ssim_loss, values=_NOT_NEGATIVE, needs_map=True): ...


def similarity_maps(
    pred: Tensor, target: Tensor, valid: Tensor, peak: float | Tensor, sigma: float
) -> tuple[Tensor, Tensor]:
    """SSIM's two factors at every pixel, luminance and contrast-structure, each (B, C, H, W).

    ``pred`` and ``target`` are 0 where not ``valid``; ``peak`` is the data range, a number or (B, 1, 1, 1).
    """
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    powers = torch.cat([pred, target, pred * pred, target * target, pred * target], dim=1)
    distance = torch.arange(_radius(sigma) + 1, dtype=pred.dtype, device=pred.device)
    gaussian = torch.exp(-0.5 * (distance / sigma) ** 2)
    weight = window_sums(valid.to(pred.dtype), gaussian)
    weight = torch.where(valid, weight, 1.0).repeat(1, 5, 1, 1)  # at least the centre's own where valid
    mean_p, mean_t, mean_pp, mean_tt, mean_pt = (window_sums(powers, gaussian) / weight).chunk(5, dim=1)
    luminance = (2 * mean_p * mean_t + c1) / (mean_p**2 + mean_t**2 + c1)
    variances = (mean_pp - mean_p**2) + (mean_tt - mean_t**2)
    return luminance, (2 * (mean_pt - mean_p * mean_t) + c2) / (variances + c2)


def _radius(sigma: float) -> int:
    """How far the window reaches: 5 pixels, the customary 11 x 11 window, for a sigma of 1.5."""
    return int(3.5 * sigma + 0.5)


def _peak(target: Tensor, data_range: float | None) -> float | Tensor:
    """The data range: as given, or (B, 1, 1, 1), the largest valid |target| of each image, 1 where that is 0."""
    if data_range is not None:
        return data_range
    largest = target.abs().amax(dim=(1, 2, 3), keepdim=True)
    return torch.where(largest > 0, largest, 1.0)


def _scale_count(image: Tensor, sigma: float) -> int:
    """How many scales leave the shorter side at least as long as the window; at least one."""
    side, count = min(image.shape[-2:]), 1
    while count < len(_SCALE_WEIGHTS) and (side := (side + 1) // 2) >= 2 * _radius(sigma) + 1:
        count += 1
    return count


def _halve(values: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of the valid pixels of each 2 x 2 block, (B, C, ⌈H/2⌉, ⌈W/2⌉), and where there is one."""
    share = F.avg_pool2d(valid.to(values.dtype), 2, ceil_mode=True)
    mean = F.avg_pool2d(values, 2, ceil_mode=True) / torch.where(share > 0, share, 1.0)
    return mean, share > 0
