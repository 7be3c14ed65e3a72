"""How well the class of every pixel is found."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cnnlib.metrics.base import ClassSums, PerImageSums
from cnnlib.types import Size


class SemanticMetrics(PerImageSums):
    """IoU of each class, their mean, and the share of pixels that are right, from the counts of pixels.

    The predicted class is the most probable one. With b pixels in which a class is both found and true, f in which it
    is found and t in which it is true, its IoU is b / (f + t - b), NaN where it is neither found nor true. ``miou`` is
    the mean over the others; the custom is that of the PASCAL VOC and Cityscapes benchmarks: all pixels of the split
    are counted together. LibMTL and MTAN do the same, where ``accuracy`` is called Pix Acc; a class that is neither
    found nor true makes their mean NaN.

    Args:
        names: of the classes.
    """

    pairs: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        counts = torch.zeros(len(self.names), len(self.names), dtype=torch.int64)
        self.add_state("pairs", default=counts, dist_reduce_fx="sum")
        self.explanations = {
            "miou": "mean over the classes of the overlap of predicted and true area divided by their union; a class "
            "that is neither predicted nor true is left out; 1 is perfect",
            "accuracy": "share of the pixels whose class is right; 1 is perfect",
        } | {
            f"iou_{name}": f"overlap divided by union of the class {name}; 1 is perfect"
            for name in self.names
        }

    def update(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> None:
        super().update(pred, target, valid, size)
        decided, classes = valid & ~pred.isnan().any(1, keepdim=True), len(self.names)
        index = (target * classes + pred.argmax(1, keepdim=True))[decided]
        self.pairs = self.pairs.to(index.device) + index.bincount(minlength=classes**2).view(classes, classes)

    def confusion(self) -> Tensor:
        """How many pixels of class i were predicted as j: int64 (classes, classes), [i, j]."""
        return self.pairs

    def sums(self) -> ClassSums:
        """Of the split, (classes,) each."""
        return ClassSums(*self.all_rows().sum(0).view(3, -1))

    def measure(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> Tensor:
        """The pixels of each class that are both found and true, found, and true: (B, 3 n)."""
        images, classes = len(pred), len(self.names)
        truth = target[valid]
        if ((truth < 0) | (truth >= classes)).any():
            raise ValueError(
                f"valid classes must be 0 to {classes - 1}; they are {truth.min()} to {truth.max()}"
            )
        first = classes * torch.arange(images, device=pred.device).view(
            -1, 1, 1, 1
        )  # an image's own counters

        def pixels(which: Tensor, where: Tensor) -> Tensor:
            counts = (first + which)[where].bincount(minlength=images * classes)
            return counts.view(images, classes).double()

        found, decided = pred.argmax(1, keepdim=True), valid & ~pred.isnan().any(1, keepdim=True)
        both = decided & (found == target)
        return torch.cat([pixels(target, both), pixels(found, decided), pixels(target, valid)], dim=1)

    def formulas(self, sums: Tensor) -> dict[str, Tensor]:
        both, found, truth = sums.unflatten(-1, (3, -1)).unbind(-2)  # (..., classes)
        iou = both / (found + truth - both)
        return {
            "miou": iou.nanmean(-1),
            "accuracy": both.sum(-1) / truth.sum(-1),
            **{f"iou_{name}": each for name, each in zip(self.names, iou.unbind(-1), strict=True)},
        }
