"""Losses on differences between neighbours: edges where the truth has them, smoothness elsewhere."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from cnnlib.checks import check_range, check_whole
from cnnlib.losses.base import Loss
from cnnlib.losses.reduction import mean_over_valid, valid_inputs


def gradient_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """``GradientLoss`` as a function."""
    return multi_scale_gradient_loss(pred, target, valid, scales=1)


def multi_scale_gradient_loss(
    pred: Tensor, target: Tensor, valid: Tensor | None = None, scales: int = 4
) -> Tensor:
    """``MultiScaleGradientLoss`` as a function."""
    pred, target, valid = valid_inputs(pred, target, valid)
    error = pred - target
    total = error.new_zeros(())
    for step in (2**scale for scale in range(scales)):
        for axis in (-1, -2):
            slope, both_valid = _slope(error[..., ::step, ::step], valid[..., ::step, ::step], axis)
            total = total + mean_over_valid(slope.abs(), both_valid)
    return total


def smoothness_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    edge_weight: float = 10.0,
    *,
    image: Tensor,
) -> Tensor:
    """``SmoothnessLoss`` as a function. ``image`` is (B, any number of channels, H, W) in [0, 1].

    Raises:
        ValueError: also if the image's batch, height or width is not the prediction's.
    """
    pred, _, valid = valid_inputs(pred, target, valid)
    if image.ndim != 4 or image.shape[:1] + image.shape[2:] != pred.shape[:1] + pred.shape[2:]:
        raise ValueError(
            f"the image must have the prediction's batch, height and width; the image is "
            f"{tuple(image.shape)}, the prediction {tuple(pred.shape)}"
        )
    total = pred.new_zeros(())
    for axis in (-1, -2):
        edge = image.to(pred.dtype).diff(dim=axis).abs().mean(dim=1, keepdim=True)
        slope, both_valid = _slope(pred, valid, axis)
        total = total + mean_over_valid(slope.abs() * torch.exp(-edge_weight * edge), both_valid)
    return total


def _slope(values: Tensor, valid: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Each pixel's difference to the one before along ``axis``, and whether both are valid."""
    size = valid.shape[axis]
    both_valid = valid.narrow(axis, 0, size - 1) & valid.narrow(axis, 1, size - 1)
    return values.diff(dim=axis), both_valid


class GradientLoss(Loss):
    """Wrong slopes: the error's absolute differences between neighbours.

    An offset of everything is free, so it only makes sense beside an absolute loss.

    Formula: mean |∂x (p - t)| + mean |∂y (p - t)|
    Range: [0, ∞)
    Task: depth
    Source: Eigen and Fergus, Predicting Depth, Surface Normals and Semantic Labels, ICCV 2015 (squared there)
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"depth"})

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return gradient_loss(pred, target, valid)


class MultiScaleGradientLoss(Loss):
    """Wrong slopes over short and long distances: every pixel, every second, fourth, eighth.

    Scales at which no two pixels are left add nothing. An offset of everything is free, so it only makes sense
    beside an absolute loss.

    Formula: Σ_s mean |∂x (p - t)_s| + mean |∂y (p - t)_s|, (·)_s every 2^s-th row and column
    Range: [0, ∞)
    Task: depth
    Source: Li and Snavely, MegaDepth, CVPR 2018 (on log depth there); Ranftl et al., MiDaS, TPAMI 2022

    Args:
        scales: how many, at least 1; 1 is the gradient loss.

    Raises:
        CnnlibError: if ``scales`` is out of its range.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"depth"})

    def __init__(self, scales: int = 4) -> None:
        super().__init__()
        check_whole("scales", scales, 1)
        self.scales = scales

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return multi_scale_gradient_loss(pred, target, valid, self.scales)


class SmoothnessLoss(Loss):
    """Edge-aware smoothness: the prediction may change where the image does. The target is not looked at.

    It is 0 for any constant prediction, so it only makes sense beside another loss.

    Formula: mean |∂x p| e^(-edge_weight |∂x I|) + mean |∂y p| e^(-edge_weight |∂y I|), |∂I| the mean over the
        image's channels
    Range: [0, ∞)
    Task: depth
    Source: Godard et al., Unsupervised Monocular Depth Estimation, CVPR 2017; kornia

    Args:
        edge_weight: how much an edge of the image excuses, at least 0; 0 is plain total variation.

    Raises:
        CnnlibError: if ``edge_weight`` is out of its range.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"depth"})
    needs_image: ClassVar[bool] = True

    def __init__(self, edge_weight: float = 10.0) -> None:
        super().__init__()
        check_range("edge_weight", edge_weight, least=0)
        self.edge_weight = edge_weight

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None, *, image: Tensor) -> Tensor:
        return smoothness_loss(pred, target, valid, self.edge_weight, image=image)
