"""How well the class, or the classes, of an image are found, and what their probabilities are worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from cnnlib.metrics.base import ClassSums, PerImageRows
from cnnlib.metrics.calibration import calibration_error, reliability_bins
from cnnlib.types import Size

_MACRO_F1 = (
    "mean over the classes of F1, the harmonic mean of precision and recall, so that rare classes count as much as "
    "frequent ones; a class that is neither predicted nor true is left out; 1 is perfect"
)


class LabelMetrics(PerImageRows):
    """One class per image; the predicted class is the most probable one, its probability the confidence.

    A probability that is NaN makes ``ece`` and ``brier`` NaN.

    Args:
        classes: how many there are.
    """

    explanations: ClassVar[Mapping[str, str]] = {
        "accuracy": "share of the images whose class is right; 1 is perfect",
        "macro_f1": _MACRO_F1,
        "ece": "expected calibration error: how far the probability of the predicted class is from the share of images "
        "in which it is right, mean over 15 bins of the probability, weighted by their images; 0 is perfect",
        "brier": "sum over the classes of the squared distance of the probability from 1 for the true class and 0 for "
        "the others, mean over the images; 0 is perfect, 2 the worst",
    }

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def measure(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> Tensor:
        found = pred.argmax(1).masked_fill(pred.isnan().any(1), self.classes)  # NaN is no class
        truth = target.masked_fill(~valid, 0)
        right = torch.nn.functional.one_hot(truth, self.classes)
        brier = (pred.double() - right).square().sum(1)
        return torch.stack([valid, truth, found, pred.amax(1), brier], dim=1).double()

    def evaluate(self, rows: Tensor) -> dict[str, Tensor]:
        pairs = self._pairs(rows)
        right, found, truth = pairs.diagonal(), pairs.sum(0)[: self.classes], pairs.sum(1)
        return {
            "accuracy": right.sum() / truth.sum(),
            "macro_f1": _macro_f1(right, found, truth),
            "ece": calibration_error(self._reliability(rows)),
            "brier": rows[rows[:, 0] > 0, 4].mean(),
        }

    def per_image(self) -> dict[str, Tensor]:
        valid, truth, found, _, brier = self.all_rows().cpu().unbind(1)
        each = {"accuracy": (truth == found).double(), "brier": brier}
        return {name: values.masked_fill(valid == 0, torch.nan) for name, values in each.items()}

    def confusion(self) -> Tensor:
        """How many images of class i were predicted as j: int64 (classes, classes), [i, j]."""
        return self._pairs(self.all_rows())[:, : self.classes].long()

    def sums(self) -> ClassSums:
        """Of the split, (classes,) each."""
        pairs = self._pairs(self.all_rows())
        return ClassSums(pairs.diagonal(), pairs.sum(0)[: self.classes], pairs.sum(1))

    def reliability(self) -> Tensor:
        """``reliability_bins`` of the predicted class, (1, 15, 3)."""
        return self._reliability(self.all_rows())[None]

    def _reliability(self, rows: Tensor) -> Tensor:
        valid, truth, found, confidence, _ = rows.unbind(1)
        return reliability_bins(confidence[valid > 0], (truth == found)[valid > 0])

    def _pairs(self, rows: Tensor) -> Tensor:
        """Counts of true and predicted class, float64 (classes, classes + 1); the last column is of NaN."""
        valid, truth, found = rows[:, :3].long().unbind(1)
        index = (truth * (self.classes + 1) + found)[valid > 0]
        return index.bincount(minlength=self.classes * (self.classes + 1)).view(self.classes, -1).double()


class MultiLabelMetrics(PerImageRows):
    """Several classes may be true at once; from a probability of 0.5 on a class is predicted.

    Each class is a yes or no of its own, so ``ece`` compares the probability of yes with the share of yes, class by
    class: over all classes together, one that is too sure would make up for one that is not sure enough.
    """

    explanations: ClassVar[Mapping[str, str]] = {
        "accuracy": "share of the images in which every known class is right (exact match); 1 is perfect",
        "macro_f1": _MACRO_F1,
        "ece": "expected calibration error: how far the probability of a class is from the share of images that it is "
        "true of, mean over 15 bins of the probability, weighted by their images, then over the classes (classwise "
        "ECE); 0 is perfect",
        "brier": "squared distance of a class's probability from 1 where it is true and 0 where not, mean over the "
        "known classes of all images; 0 is perfect, 1 the worst",
    }

    def measure(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> Tensor:
        return (
            torch.stack([pred.masked_fill(~valid, 0), target.masked_fill(~valid, 0), valid], dim=1)
            .flatten(1)
            .double()
        )

    def evaluate(self, rows: Tensor) -> dict[str, Tensor]:
        pred, truth, valid = _by_class(rows)
        exact, counted = self._exact(rows)
        return {
            "accuracy": exact.sum() / counted.sum(),
            "macro_f1": _macro_f1(*(each.sum(0) for each in self._sums(rows))),
            "ece": calibration_error(self._reliability(rows)).nanmean(),
            "brier": (pred - truth).square().sum() / valid.sum(),
        }

    def per_image(self) -> dict[str, Tensor]:
        rows = self.all_rows().cpu()
        pred, truth, valid = _by_class(rows)
        exact, counted = self._exact(rows)
        return {
            "accuracy": exact / counted,
            "macro_f1": _macro_f1(*self._sums(rows)),
            "brier": (pred - truth).square().sum(1) / valid.sum(1),
        }

    def sums(self) -> ClassSums:
        """Of the split, (classes,) each."""
        return ClassSums(*(each.sum(0) for each in self._sums(self.all_rows())))

    def reliability(self) -> Tensor:
        """``reliability_bins`` of each class's yes, (classes, 15, 3)."""
        return self._reliability(self.all_rows())

    def _sums(self, rows: Tensor) -> ClassSums:
        """Of each image."""
        pred, truth, valid = _by_class(rows)
        found, true = (pred >= 0.5) & (valid > 0), truth >= 0.5
        return ClassSums((found & true).double(), found.double(), true.double())

    def _exact(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Whether each image is right in all that is known, and whether anything is known: float64 (N,)."""
        _, found, true = self._sums(rows)
        counted = (_by_class(rows)[2] > 0).any(1)
        return ((found == true).all(1) & counted).double(), counted.double()

    def _reliability(self, rows: Tensor) -> Tensor:
        each = zip(*(part.unbind(1) for part in _by_class(rows)), strict=True)
        return torch.stack(
            [reliability_bins(pred[valid > 0], truth[valid > 0]) for pred, truth, valid in each]
        )


def _by_class(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Probability, truth and whether it is known, (N, classes) each."""
    pred, truth, valid = rows.unflatten(1, (3, -1)).unbind(1)
    return pred, truth, valid


def _macro_f1(both: Tensor, found: Tensor, truth: Tensor) -> Tensor:
    """The mean over the last axis, the classes, that occur."""
    return (2 * both / (found + truth)).nanmean(-1)
