"""Element by element: L1, MSE, and what lies between and beyond them."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Gt, Le
from torch import Tensor

from cnnlib.losses.base import NUMERIC, FunctionLoss, Positive
from cnnlib.losses.reduction import mean_over_valid, power, valid_inputs


def l1_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean absolute error: the loss is proportional to each error.

    Formula: mean |p - t|
    Range: [0, ∞)
    Source: torch.nn.functional.l1_loss
    """
    pred, target, valid = valid_inputs(pred, target, valid)
    return mean_over_valid((pred - target).abs(), valid)


class L1Loss(FunctionLoss, function=l1_loss, values=NUMERIC): ...


def mse_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean squared error: large errors dominate. On probabilities it is the Brier score.

    Formula: mean (p - t)²
    Range: [0, ∞)
    Source: torch.nn.functional.mse_loss
    """
    pred, target, valid = valid_inputs(pred, target, valid)
    return mean_over_valid((pred - target).square(), valid)


class MSELoss(FunctionLoss, function=mse_loss, values=NUMERIC): ...


def rmse_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Root of the batch's mean squared error, in the target's units.

    Its gradient has the same norm however small the error is, except at an error of exactly 0, where it is 0.

    Formula: sqrt(mean (p - t)²), the mean over the whole batch
    Range: [0, ∞)
    Source: Eigen et al., Depth Map Prediction from a Single Image, NIPS 2014 (as a metric)
    """
    return power(mse_loss(pred, target, valid), 0.5)


class RMSELoss(FunctionLoss, function=rmse_loss, values=NUMERIC): ...


def huber_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None, delta: Positive = 1.0) -> Tensor:
    """Squared for errors up to ``delta``, linear with slope ``delta`` beyond: less sensitive to outliers.

    Formula: mean h, h = d²/2 where |d| ≤ delta, else delta (|d| - delta/2), d = p - t
    Range: [0, ∞)
    Source: Huber, Robust Estimation of a Location Parameter, 1964; torch.nn.functional.huber_loss

    Args:
        delta: the error at which the square ends, in the target's units.
    """
    pred, target, valid = valid_inputs(pred, target, valid)
    return mean_over_valid(F.huber_loss(pred, target, reduction="none", delta=delta), valid)


class HuberLoss(FunctionLoss, function=huber_loss, values=NUMERIC): ...


def smooth_l1_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None, beta: Positive = 1.0) -> Tensor:
    """L1 with its corner rounded: Huber divided by its threshold, so that the slope beyond is 1.

    Formula: mean h, h = d²/(2 beta) where |d| < beta, else |d| - beta/2, d = p - t
    Range: [0, ∞)
    Source: Girshick, Fast R-CNN, ICCV 2015; torch.nn.functional.smooth_l1_loss

    Args:
        beta: the error at which the rounded corner ends, in the target's units.
    """
    pred, target, valid = valid_inputs(pred, target, valid)
    return mean_over_valid(F.smooth_l1_loss(pred, target, reduction="none", beta=beta), valid)


class SmoothL1Loss(FunctionLoss, function=smooth_l1_loss, values=NUMERIC): ...


def charbonnier_loss(
    pred: Tensor, target: Tensor, valid: Tensor | None = None, epsilon: Positive = 1e-3
) -> Tensor:
    """L1 that is smooth everywhere: a hyperbola, 0 at no error.

    Formula: mean (sqrt(d² + epsilon²) - epsilon), d = p - t
    Range: [0, ∞)
    Source: Charbonnier et al., Two Deterministic Half-Quadratic Regularization Algorithms, ICIP 1994

    Args:
        epsilon: width of the rounded tip, in the target's units.
    """
    pred, target, valid = valid_inputs(pred, target, valid)
    square = (pred - target).square()
    # The same as sqrt(square + epsilon²) - epsilon, without the rounding of that difference.
    return mean_over_valid(square / ((square + epsilon**2).sqrt() + epsilon), valid)


class CharbonnierLoss(FunctionLoss, function=charbonnier_loss, values=NUMERIC): ...


def log_cosh_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Half the square for small errors, L1 minus log 2 for large ones, and smooth in between.

    Formula: mean log cosh(p - t)
    Range: [0, ∞)
    Source: torchmetrics LogCoshError; Saleh and Saleh, Statistical Properties of the log-cosh Loss, 2022
    """
    pred, target, valid = valid_inputs(pred, target, valid)
    size = (pred - target).abs()
    # log cosh = log1p(sinh²) / 2 is exact for small errors; beyond 10, where sinh² would overflow in the
    # end, log cosh is a straight line to the last bit of a float32.
    near = size.clamp(max=10.0)
    return mean_over_valid(near.sinh().square().log1p() / 2 + (size - near), valid)


class LogCoshLoss(FunctionLoss, function=log_cosh_loss, values=NUMERIC): ...


def berhu_loss(
    pred: Tensor, target: Tensor, valid: Tensor | None = None, threshold: Annotated[float, Gt(0), Le(1)] = 0.2
) -> Tensor:
    """Reverse Huber: L1 for small errors, squared for those near the batch's largest.

    Formula: mean h, h = |d| where |d| ≤ c, else (d² + c²)/(2c), d = p - t, c = threshold · max |d| over the batch; no
        gradient flows through c
    Range: [0, ∞)
    Source: Laina et al., Deeper Depth Prediction with Fully Convolutional Residual Networks, 3DV 2016

    Args:
        threshold: share of the batch's largest error at which the square begins.
    """
    pred, target, valid = valid_inputs(pred, target, valid)
    size = (pred - target).abs()
    # No gradient flows through the threshold; the lower bound only avoids 0 / 0.
    c = (threshold * size.detach().amax()).clamp(min=1e-12)
    return mean_over_valid(torch.where(size <= c, size, (size.square() + c.square()) / (2 * c)), valid)


class BerHuLoss(FunctionLoss, function=berhu_loss, values=NUMERIC): ...


def wing_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    width: Positive = 10 / 256,
    curvature: Positive = 2 / 256,
) -> Tensor:
    """Logarithmic for small errors, L1 for large ones: points that are nearly right still pull strongly.

    A task's coordinates are shares of the picture's longer side; the defaults are the paper's 10 and 2 pixels of 256.

    Formula: mean h, h = width log(1 + |d|/curvature) where |d| < width, else |d| - C, d = p - t, C = width - width
        log(1 + width/curvature)
    Range: [0, ∞)
    Source: Feng et al., Wing Loss for Robust Facial Landmark Localisation, CVPR 2018

    Args:
        width: the error at which the logarithm ends, in the target's units.
        curvature: how strongly the logarithm is bent, in the target's units; the smaller, the stronger the pull of a
            small error.
    """
    pred, target, valid = valid_inputs(pred, target, valid)
    size = (pred - target).abs()
    logarithm = width * torch.log1p(size / curvature)
    offset = width - width * math.log1p(width / curvature)  # makes both parts meet at ``width``
    return mean_over_valid(torch.where(size < width, logarithm, size - offset), valid)


class WingLoss(FunctionLoss, function=wing_loss, values={"coordinates"}): ...
