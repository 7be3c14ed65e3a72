"""How well the class, or the classes, of an image are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from cnnlib.metrics.base import PerImageRows, PerImageSums
from cnnlib.types import Size

_MACRO_F1 = (
    "mean over the classes of F1, the harmonic mean of precision and recall, so that rare classes count as much as "
    "frequent ones; a class that is neither predicted nor true is left out; 1 is perfect"
)


class LabelMetrics(PerImageRows):
    """Accuracy and macro F1 of one class per image; the predicted class is the most probable one.

    Args:
        classes: how many there are.
    """

    explanations: ClassVar[Mapping[str, str]] = {
        "accuracy": "share of the images whose class is right; 1 is perfect",
        "macro_f1": _MACRO_F1,
    }

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def measure(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> Tensor:
        found = pred.argmax(1).masked_fill(pred.isnan().any(1), self.classes)  # NaN is no class
        return torch.stack([valid, target.masked_fill(~valid, 0), found], dim=1).double()

    def evaluate(self, rows: Tensor) -> dict[str, Tensor]:
        pairs = self._pairs(rows)
        right, found, truth = pairs.diagonal(), pairs.sum(0)[: self.classes], pairs.sum(1)
        return {"accuracy": right.sum() / truth.sum(), "macro_f1": _macro_f1(right, found, truth)}

    def per_image(self) -> dict[str, Tensor]:
        valid, truth, found = self.all_rows().cpu().unbind(1)
        return {"accuracy": (truth == found).double().masked_fill(valid == 0, torch.nan)}

    def confusion(self) -> Tensor:
        """How many images of class i were predicted as j: int64 (classes, classes), [i, j]."""
        return self._pairs(self.all_rows())[:, : self.classes].long()

    def _pairs(self, rows: Tensor) -> Tensor:
        """Counts of true and predicted class, float64 (classes, classes + 1); the last column is of NaN."""
        valid, truth, found = rows.long().unbind(1)
        index = (truth * (self.classes + 1) + found)[valid > 0]
        return index.bincount(minlength=self.classes * (self.classes + 1)).view(self.classes, -1).double()


class MultiLabelMetrics(PerImageSums):
    """Exact matches and macro F1 where several classes may be true at once; from 0.5 on a class is predicted."""

    explanations: ClassVar[Mapping[str, str]] = {
        "accuracy": "share of the images in which every known class is right (exact match); 1 is perfect",
        "macro_f1": _MACRO_F1,
    }

    def measure(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> Tensor:
        found, truth = (pred >= 0.5) & valid, (target >= 0.5) & valid  # (B, classes)
        counted = valid.any(1, keepdim=True)
        exact = (found == truth).all(1, keepdim=True) & counted
        return torch.cat([(found & truth), found, truth, exact, counted], dim=1).double()

    def formulas(self, sums: Tensor) -> dict[str, Tensor]:
        both, found, truth = sums[..., :-2].unflatten(-1, (3, -1)).unbind(-2)
        return {"accuracy": sums[..., -2] / sums[..., -1], "macro_f1": _macro_f1(both, found, truth)}


def _macro_f1(both: Tensor, found: Tensor, truth: Tensor) -> Tensor:
    """The mean over the last axis, the classes, that occur."""
    return (2 * both / (found + truth)).nanmean(-1)
