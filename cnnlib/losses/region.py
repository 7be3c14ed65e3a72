"""Losses on the overlap of two regions: Dice, Jaccard, Tversky.

All are one minus a Tversky index, which weighs false alarms and misses. It is taken for each image (and
channel) on its own and averaged over the images: a small object counts as much as a large one, and a batch
split for gradient accumulation gives the same step. ``smooth`` pixels are added to the overlap, so that an
image without foreground costs nothing when nothing is predicted, and more with every false alarm.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from cnnlib.checks import check_range
from cnnlib.losses.base import Loss
from cnnlib.losses.reduction import mean_over_images, power, valid_inputs


def dice_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None, smooth: float = 1.0) -> Tensor:
    """``DiceLoss`` as a function."""
    return tversky_loss(pred, target, valid, alpha=0.5, beta=0.5, smooth=smooth)


def jaccard_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None, smooth: float = 1.0) -> Tensor:
    """``JaccardLoss`` as a function."""
    return tversky_loss(pred, target, valid, alpha=1.0, beta=1.0, smooth=smooth)


def tversky_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = 1.0,
) -> Tensor:
    """``TverskyLoss`` as a function."""
    return focal_tversky_loss(pred, target, valid, alpha, beta, gamma=1.0, smooth=smooth)


def focal_tversky_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 4 / 3,
    smooth: float = 1.0,
) -> Tensor:
    """``FocalTverskyLoss`` as a function."""
    pred, target, valid = valid_inputs(pred, target, valid)
    overlap = (pred * target).sum(dim=(2, 3))  # (B, C), as all that follow
    false_alarms = pred.sum(dim=(2, 3)) - overlap
    misses = target.sum(dim=(2, 3)) - overlap
    wrong = alpha * false_alarms + beta * misses
    # This is 1 - (overlap + smooth) / (...), without the rounding of a difference of almost equal numbers.
    return mean_over_images(power(wrong / (overlap + wrong + smooth), 1 / gamma), valid)


def _check_above_zero(**options: float) -> None:
    for option, value in options.items():
        check_range(option, value, above=0)


class DiceLoss(Loss):
    """One minus the Dice coefficient (F1) of the foreground, image by image.

    Formula: 1 - (TP + smooth) / (TP + FP/2 + FN/2 + smooth), TP = sum(p t), FP = sum(p (1 - t)),
        FN = sum((1 - p) t)
    Range: [0, 1)
    Task: mask
    Source: Milletari et al., V-Net, 3DV 2016; segmentation_models_pytorch

    Args:
        smooth: pixels added to the overlap, above 0.

    Raises:
        CnnlibError: if an option is out of its range.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask"})

    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        _check_above_zero(smooth=smooth)
        self.smooth = smooth

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return dice_loss(pred, target, valid, self.smooth)


class JaccardLoss(Loss):
    """One minus the intersection over union (IoU) of the foreground, image by image.

    Formula: 1 - (TP + smooth) / (TP + FP + FN + smooth), TP = sum(p t), FP = sum(p (1 - t)),
        FN = sum((1 - p) t)
    Range: [0, 1)
    Task: mask
    Source: Rahman and Wang, Optimizing Intersection-Over-Union in Deep Neural Networks, ISVC 2016;
        segmentation_models_pytorch

    Args:
        smooth: pixels added to the overlap, above 0.

    Raises:
        CnnlibError: if an option is out of its range.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask"})

    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        _check_above_zero(smooth=smooth)
        self.smooth = smooth

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return jaccard_loss(pred, target, valid, self.smooth)


class TverskyLoss(Loss):
    """Dice with a price of its own for false alarms (alpha) and for misses (beta), image by image.

    Formula: 1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth)
    Range: [0, 1)
    Task: mask
    Source: Salehi et al., Tversky loss function for image segmentation, MLMI 2017

    Args:
        alpha: price of a false alarm, above 0.
        beta: price of a miss, above 0; alpha = beta = 0.5 is Dice, alpha = beta = 1 is Jaccard.
        smooth: pixels added to the overlap, above 0.

    Raises:
        CnnlibError: if an option is out of its range.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask"})

    def __init__(self, alpha: float = 0.3, beta: float = 0.7, smooth: float = 1.0) -> None:
        super().__init__()
        _check_above_zero(alpha=alpha, beta=beta, smooth=smooth)
        self.alpha = alpha
        self.beta = beta
        self.smooth = smooth

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return tversky_loss(pred, target, valid, self.alpha, self.beta, self.smooth)


class FocalTverskyLoss(Loss):
    """Tversky with a root taken of each image's loss: nearly right images keep a strong gradient.

    Formula: (1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth))^(1/gamma)
    Range: [0, 1)
    Task: mask
    Source: Abraham and Khan, A Novel Focal Tversky Loss Function, ISBI 2019

    Args:
        alpha: price of a false alarm, above 0.
        beta: price of a miss, above 0.
        gamma: above 0; 1 is Tversky. Above 1 it looks at the images that are nearly right, below 1 at the
            worst ones.
        smooth: pixels added to the overlap, above 0.

    Raises:
        CnnlibError: if an option is out of its range.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask"})

    def __init__(
        self, alpha: float = 0.3, beta: float = 0.7, gamma: float = 4 / 3, smooth: float = 1.0
    ) -> None:
        super().__init__()
        _check_above_zero(alpha=alpha, beta=beta, gamma=gamma, smooth=smooth)
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.smooth = smooth

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return focal_tversky_loss(pred, target, valid, self.alpha, self.beta, self.gamma, self.smooth)
