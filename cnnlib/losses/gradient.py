"""Losses on differences between neighbouring pixels: edges where the target has them, smoothness elsewhere."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from cnnlib.losses.base import FunctionLoss
from cnnlib.losses.reduction import mean_over_valid, valid_maps


def gradient_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Error of the gradient: absolute differences of the error between neighbouring pixels.

    A constant offset costs nothing, so use it together with an absolute loss such as L1.

    Formula: mean |∂x (p - t)| + mean |∂y (p - t)|
    Range: [0, ∞)
    Source: Eigen and Fergus, Predicting Depth, Surface Normals and Semantic Labels, ICCV 2015 (squared there)
    """
    return multi_scale_gradient_loss(pred, target, valid, scales=1)


class GradientLoss(FunctionLoss, function=gradient_loss, values={"lengths"}, needs_map=True): ...


def multi_scale_gradient_loss(
    pred: Tensor, target: Tensor, valid: Tensor | None = None, scales: Annotated[int, Ge(1)] = 4
) -> Tensor:
    """The gradient loss at several scales: on every pixel, every second, fourth, eighth.

    Scales at which no two pixels are left add nothing. A constant offset costs nothing, so use it together with an
    absolute loss such as L1.

    Formula: Σ_s mean |∂x (p - t)_s| + mean |∂y (p - t)_s|, (·)_s every 2^s-th row and column
    Range: [0, ∞)
    Source: Li and Snavely, MegaDepth, CVPR 2018 (on log depth there); Ranftl et al., MiDaS, TPAMI 2022

    Args:
        scales: how many; 1 is the gradient loss.
    """
    pred, target, valid = valid_maps(pred, target, valid)
    error = pred - target
    total = error.new_zeros(())
    for step in (2**scale for scale in range(scales)):
        for axis in (-1, -2):
            slope, both_valid = _slope(error[..., ::step, ::step], valid[..., ::step, ::step], axis)
            total = total + mean_over_valid(slope.abs(), both_valid)
    return total


class MultiScaleGradientLoss(
    FunctionLoss, function=multi_scale_gradient_loss, values={"lengths"}, needs_map=True
): ...


def smoothness_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    edge_weight: Annotated[float, Ge(0)] = 10.0,
    *,
    image: Tensor,
) -> Tensor:
    """Edge-aware smoothness: the prediction may change where the image does. The target is not used.

    It is 0 for any constant prediction, so use it together with another loss. The image may have any channels.

    Formula: mean |∂x p| e^(-edge_weight |∂x I|) + mean |∂y p| e^(-edge_weight |∂y I|), |∂I| the mean over the image's
        channels
    Range: [0, ∞)
    Source: Godard et al., Unsupervised Monocular Depth Estimation, CVPR 2017; kornia

    Args:
        edge_weight: how strongly an edge of the image lowers the weight; 0 is plain total variation.
    """
    pred, _, valid = valid_maps(pred, target, valid)
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


class SmoothnessLoss(
    FunctionLoss, function=smoothness_loss, values={"lengths"}, needs_map=True, needs_image=True
): ...


def _slope(values: Tensor, valid: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Each pixel's difference to the one before along ``axis``, and whether both are valid."""
    size = valid.shape[axis]
    both_valid = valid.narrow(axis, 0, size - 1) & valid.narrow(axis, 1, size - 1)
    return values.diff(dim=axis), both_valid
