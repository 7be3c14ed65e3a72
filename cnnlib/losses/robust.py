"""Between L1 and L2: quadratic on one side of a threshold, linear on the other."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlib.checks import check_range
from cnnlib.losses.base import Loss
from cnnlib.losses.reduction import mean_over_valid, valid_inputs


def huber_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None, delta: float = 1.0) -> Tensor:
    """``HuberLoss`` as a function."""
    pred, target, valid = valid_inputs(pred, target, valid)
    return mean_over_valid(F.huber_loss(pred, target, reduction="none", delta=delta), valid)


class HuberLoss(Loss):
    """Squared for errors up to ``delta``, linear with slope ``delta`` beyond: outliers do not rule.

    Formula: mean h, h = d²/2 where |d| ≤ delta, else delta (|d| - delta/2), d = p - t
    Range: [0, ∞)
    Task: mask, depth
    Source: Huber, Robust Estimation of a Location Parameter, 1964; torch.nn.functional.huber_loss

    Args:
        delta: where the square ends, above 0, in the target's units.

    Raises:
        CnnlibError: if ``delta`` is out of its range.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask", "depth"})

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        check_range("delta", delta, above=0)
        self.delta = delta

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return huber_loss(pred, target, valid, self.delta)


def smooth_l1_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None, beta: float = 1.0) -> Tensor:
    """``SmoothL1Loss`` as a function."""
    pred, target, valid = valid_inputs(pred, target, valid)
    return mean_over_valid(F.smooth_l1_loss(pred, target, reduction="none", beta=beta), valid)


class SmoothL1Loss(Loss):
    """L1 with its corner rounded off: Huber divided by its threshold, so that the slope beyond is 1.

    Formula: mean h, h = d²/(2 beta) where |d| < beta, else |d| - beta/2, d = p - t
    Range: [0, ∞)
    Task: mask, depth
    Source: Girshick, Fast R-CNN, ICCV 2015; torch.nn.functional.smooth_l1_loss

    Args:
        beta: how wide the rounded corner is, above 0, in the target's units.

    Raises:
        CnnlibError: if ``beta`` is out of its range.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask", "depth"})

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        check_range("beta", beta, above=0)
        self.beta = beta

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return smooth_l1_loss(pred, target, valid, self.beta)


def charbonnier_loss(
    pred: Tensor, target: Tensor, valid: Tensor | None = None, epsilon: float = 1e-3
) -> Tensor:
    """``CharbonnierLoss`` as a function."""
    pred, target, valid = valid_inputs(pred, target, valid)
    square = (pred - target).square()
    # The same as sqrt(square + epsilon²) - epsilon, without the rounding of that difference.
    return mean_over_valid(square / ((square + epsilon**2).sqrt() + epsilon), valid)


class CharbonnierLoss(Loss):
    """L1 that is smooth everywhere: a hyperbola, 0 at no error.

    Formula: mean (sqrt(d² + epsilon²) - epsilon), d = p - t
    Range: [0, ∞)
    Task: mask, depth
    Source: Charbonnier et al., Two Deterministic Half-Quadratic Regularization Algorithms, ICIP 1994

    Args:
        epsilon: how wide its rounded tip is, above 0, in the target's units.

    Raises:
        CnnlibError: if ``epsilon`` is out of its range.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask", "depth"})

    def __init__(self, epsilon: float = 1e-3) -> None:
        super().__init__()
        check_range("epsilon", epsilon, above=0)
        self.epsilon = epsilon

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return charbonnier_loss(pred, target, valid, self.epsilon)


def log_cosh_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """``LogCoshLoss`` as a function."""
    pred, target, valid = valid_inputs(pred, target, valid)
    size = (pred - target).abs()
    # log cosh = log1p(sinh²) / 2 is exact for small errors; beyond 10, where sinh² would overflow in the
    # end, log cosh is a straight line to the last bit of a float32.
    near = size.clamp(max=10.0)
    return mean_over_valid(near.sinh().square().log1p() / 2 + (size - near), valid)


class LogCoshLoss(Loss):
    """Half the square for small errors, L1 minus log 2 for large ones, and smooth in between.

    Formula: mean log cosh(p - t)
    Range: [0, ∞)
    Task: mask, depth
    Source: torchmetrics LogCoshError; Saleh and Saleh, Statistical Properties of the log-cosh Loss, 2022
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask", "depth"})

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return log_cosh_loss(pred, target, valid)


def berhu_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None, threshold: float = 0.2) -> Tensor:
    """``BerHuLoss`` as a function."""
    pred, target, valid = valid_inputs(pred, target, valid)
    size = (pred - target).abs()
    # The threshold steers the loss and is no part of it; the floor only keeps 0 / 0 away.
    c = (threshold * size.detach().amax()).clamp(min=1e-12)
    return mean_over_valid(torch.where(size <= c, size, (size.square() + c.square()) / (2 * c)), valid)


class BerHuLoss(Loss):
    """Reverse Huber: L1 for small errors, squared for those near the batch's largest.

    Formula: mean h, h = |d| where |d| ≤ c, else (d² + c²)/(2c), d = p - t, c = threshold · max |d| over the
        batch; no gradient flows through c
    Range: [0, ∞)
    Task: mask, depth
    Source: Laina et al., Deeper Depth Prediction with Fully Convolutional Residual Networks, 3DV 2016

    Args:
        threshold: share of the batch's largest error at which the square begins, above 0 and at most 1.

    Raises:
        CnnlibError: if ``threshold`` is out of its range.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask", "depth"})

    def __init__(self, threshold: float = 0.2) -> None:
        super().__init__()
        check_range("threshold", threshold, above=0, most=1)
        self.threshold = threshold

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return berhu_loss(pred, target, valid, self.threshold)
