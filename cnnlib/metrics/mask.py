"""How well a binary mask is found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from cnnlib.metrics.base import PerImageSums, sum_per_image
from cnnlib.types import Size


class MaskMetrics(PerImageSums):
    """``iou``, ``dice``, ``precision`` and ``recall`` of the foreground, from the counts of pixels.

    With true and false positives and false negatives, tp, fp and fn::

        iou = tp / (tp + fp + fn)         precision = tp / (tp + fp)
        dice = 2 tp / (2 tp + fp + fn)    recall = tp / (tp + fn)

    Predictions are probabilities; at 0.5 and above a pixel is foreground, as in the files that ``MaskTask`` writes.
    Where neither prediction nor target has any foreground they agree: ``iou`` and ``dice`` are 1 (the custom of
    segmentation_models.pytorch). ``precision`` without a predicted pixel and ``recall`` without a true one are
    0 / 0 and stay NaN, and so does everything where no pixel is valid.
    """

    explanations: ClassVar[Mapping[str, str]] = {
        "iou": "overlap of predicted and true mask divided by their union, all pixels of the split together; "
        "1 is perfect",
        "dice": "twice the overlap divided by the sum of the two areas; 1 is perfect",
        "precision": "share of the predicted foreground that is foreground; 1 is perfect",
        "recall": "share of the true foreground that was found; 1 is perfect",
    }

    def measure(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> Tensor:
        found, truth = (pred >= 0.5) & valid, (target >= 0.5) & valid
        return sum_per_image(found & truth, found, truth, valid)

    def formulas(self, sums: Tensor) -> dict[str, Tensor]:
        both, found, truth, valid = sums.unbind(-1)
        either = found + truth - both
        nothing_to_find = (either == 0) & (valid > 0)
        return {
            "iou": (both / either).masked_fill(nothing_to_find, 1.0),
            "dice": (2 * both / (found + truth)).masked_fill(nothing_to_find, 1.0),
            "precision": both / found,
            "recall": both / truth,
        }
