"""Distances that grow with the error: L1, MSE, RMSE."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from cnnlib.losses.base import Loss
from cnnlib.losses.reduction import mean_over_valid, power, valid_inputs


def l1_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """``L1Loss`` as a function."""
    pred, target, valid = valid_inputs(pred, target, valid)
    return mean_over_valid((pred - target).abs(), valid)


class L1Loss(Loss):
    """Mean absolute error: every metre of error counts alike.

    Formula: mean |p - t|
    Range: [0, ∞)
    Task: mask, depth
    Source: torch.nn.functional.l1_loss
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask", "depth"})

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return l1_loss(pred, target, valid)


def mse_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """``MSELoss`` as a function."""
    pred, target, valid = valid_inputs(pred, target, valid)
    return mean_over_valid((pred - target).square(), valid)


class MSELoss(Loss):
    """Mean squared error: large errors rule. On mask probabilities it is the Brier score.

    Formula: mean (p - t)²
    Range: [0, ∞)
    Task: mask, depth
    Source: torch.nn.functional.mse_loss
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask", "depth"})

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return mse_loss(pred, target, valid)


def rmse_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """``RMSELoss`` as a function."""
    return power(mse_loss(pred, target, valid), 0.5)


class RMSELoss(Loss):
    """Root of the batch's mean squared error: MSE's taste in the target's own units.

    Its gradient has one length however small the error is, except at an error of exactly 0, where it is 0.

    Formula: sqrt(mean (p - t)²), the mean over the whole batch
    Range: [0, ∞)
    Task: mask, depth
    Source: Eigen et al., Depth Map Prediction from a Single Image, NIPS 2014 (as a metric)
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask", "depth"})

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return rmse_loss(pred, target, valid)
