"""Losses on the overlap of two regions: Dice, Jaccard, Tversky.

All are one minus a Tversky index, which weighs false positives (FP) and false negatives (FN). It is computed for each
channel of each image and averaged over them: a small object counts as much as a large one, and a batch split for
gradient accumulation gives the same step. ``smooth`` pixels are added to the overlap, so that an image without
foreground costs nothing when nothing is predicted, and more with every false positive.
"""

from __future__ import annotations

from torch import Tensor

from cnnlib.losses.base import FunctionLoss, Positive
from cnnlib.losses.reduction import mean_over_images, power, valid_maps


def dice_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None, smooth: Positive = 1.0) -> Tensor:
    """One minus the Dice coefficient (F1) of the foreground, image by image.

    Formula: 1 - (TP + smooth) / (TP + FP/2 + FN/2 + smooth), TP = sum(p t), FP = sum(p (1 - t)), FN = sum((1 - p) t)
    Range: [0, 1)
    Source: Milletari et al., V-Net, 3DV 2016; segmentation_models_pytorch

    Args:
        smooth: pixels added to the overlap.
    """
    return tversky_loss(pred, target, valid, alpha=0.5, beta=0.5, smooth=smooth)


class DiceLoss(FunctionLoss, function=dice_loss, values={"probabilities"}, needs_map=True): ...


def jaccard_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None, smooth: Positive = 1.0) -> Tensor:
    """One minus the intersection over union (IoU) of the foreground, image by image.

    Formula: 1 - (TP + smooth) / (TP + FP + FN + smooth), TP = sum(p t), FP = sum(p (1 - t)), FN = sum((1 - p) t)
    Range: [0, 1)
    Source: Rahman and Wang, Optimizing Intersection-Over-Union in Deep Neural Networks, ISVC 2016;
        segmentation_models_pytorch

    Args:
        smooth: pixels added to the overlap.
    """
    return tversky_loss(pred, target, valid, alpha=1.0, beta=1.0, smooth=smooth)


class JaccardLoss(FunctionLoss, function=jaccard_loss, values={"probabilities"}, needs_map=True): ...


def tversky_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    alpha: Positive = 0.3,
    beta: Positive = 0.7,
    smooth: Positive = 1.0,
) -> Tensor:
    """Dice with a weight for false positives (alpha) and one for false negatives (beta), image by image.

    Formula: 1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth)
    Range: [0, 1)
    Source: Salehi et al., Tversky loss function for image segmentation, MLMI 2017

    Args:
        alpha: weight of a false positive.
        beta: weight of a false negative; alpha = beta = 0.5 is Dice, alpha = beta = 1 is Jaccard.
        smooth: pixels added to the overlap.
    """
    return focal_tversky_loss(pred, target, valid, alpha, beta, gamma=1.0, smooth=smooth)


class TverskyLoss(FunctionLoss, function=tversky_loss, values={"probabilities"}, needs_map=True): ...


def focal_tversky_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    alpha: Positive = 0.3,
    beta: Positive = 0.7,
    gamma: Positive = 4 / 3,
    smooth: Positive = 1.0,
) -> Tensor:
    """Tversky with a root taken of each image's loss: nearly right images keep a strong gradient.

    Formula: (1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth))^(1/gamma)
    Range: [0, 1)
    Source: Abraham and Khan, A Novel Focal Tversky Loss Function, ISBI 2019

    Args:
        alpha: weight of a false positive.
        beta: weight of a false negative.
        gamma: 1 is Tversky; above 1 the images that are nearly right gain weight, below 1 the worst ones.
        smooth: pixels added to the overlap.
    """
    pred, target, valid = valid_maps(pred, target, valid)
    overlap = (pred * target).sum(dim=(2, 3))  # (B, C), as all that follow
    false_positives = pred.sum(dim=(2, 3)) - overlap
    false_negatives = target.sum(dim=(2, 3)) - overlap
    wrong = alpha * false_positives + beta * false_negatives
    # This is 1 - (overlap + smooth) / (...), without the rounding of a difference of almost equal numbers.
    return mean_over_images(power(wrong / (overlap + wrong + smooth), 1 / gamma), valid)


class FocalTverskyLoss(
    FunctionLoss, function=focal_tversky_loss, values={"probabilities"}, needs_map=True
): ...
