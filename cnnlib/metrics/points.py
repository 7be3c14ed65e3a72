"""How far predicted points are from the true ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from cnnlib.metrics.base import PerImageSums, sum_per_image
from cnnlib.types import Size


class PointsMetrics(PerImageSums):
    """Distances of the valid points, in pixels and as shares of two lengths::

        error = mean distance              within_0.05 = share of distances up to 0.05 x the picture's longer side
        nme = mean distance / reference    pck = share of distances up to 0.2 x reference

    The reference is the diagonal of the box around the valid true points of the image; the picture's longer side where
    there are fewer than two, or all in one place. All means are over the points of the split together.

    Source: nme and pck as in Sagonas et al., "300 Faces in-the-Wild Challenge", 2013, and Yang and Ramanan,
    "Articulated Human Detection with Flexible Mixtures of Parts", 2013, who take the size of the object as reference.
    """

    explanations: ClassVar[Mapping[str, str]] = {
        "error": "mean distance from the true point, in pixels; 0 is perfect",
        "within_0.05": "share of the points within 0.05 of the picture's longer side of the truth; 1 is perfect",
        "nme": "mean of the distance divided by the diagonal of the box around the true points; 0 is perfect",
        "pck": "share of correct points: those within 0.2 of that diagonal of the truth; 1 is perfect",
    }

    def measure(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> Tensor:
        """``pred`` (B, K, 3) or (B, K, 2), ``target`` (B, K, 2), ``valid`` (B, K)."""
        target = target.double()
        distance = (pred[..., :2].double() - target).norm(dim=-1).masked_fill(~valid, 0.0)  # (B, K)
        reference = _reference(target, valid, size)[:, None]
        near, correct = distance <= 0.05 * max(size), distance <= 0.2 * reference
        return sum_per_image(valid, distance, near & valid, distance / reference, correct & valid)

    def formulas(self, sums: Tensor) -> dict[str, Tensor]:
        count, *totals = sums.unbind(-1)
        return {name: total / count for name, total in zip(self.explanations, totals, strict=True)}


def _reference(target: Tensor, valid: Tensor, size: Size) -> Tensor:
    """The length of each image that distances are divided by, (B,)."""
    hidden = ~valid[..., None]
    low, high = target.masked_fill(hidden, torch.inf).amin(1), target.masked_fill(hidden, -torch.inf).amax(1)
    diagonal = (high - low).norm(dim=-1)
    return diagonal.masked_fill((valid.sum(1) < 2) | (diagonal == 0), max(size))
