"""How far predicted surface normals point from the true ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlib.metrics.base import PerImageRows, sum_per_image
from cnnlib.types import Size

_BINS_PER_DEGREE = 100
_LIMITS = (11.25, 22.5, 30)


class NormalsMetrics(PerImageRows):
    """The field's metrics of the angle between predicted and true normal, in degrees, over all valid pixels.

    The median of a split is read from a histogram, so that not every pixel has to be kept: its error is at most 0.005
    degrees; the median of an image is exact. Of an even number the lower middle is taken. A predicted vector of length
    0 is wrong by 90 degrees.

    LibMTL takes mean, median and shares over the pixels of the split too. MTAN's code, and what was made from it, takes
    them of each batch and averages: its median is a mean of the batches' medians, and depends on their size.

    Source: the set is that of Fouhey et al., "Data-Driven 3D Primitives for Single Image Understanding", 2013.
    """

    explanations: ClassVar[Mapping[str, str]] = {
        "mean": "mean angle between predicted and true direction, in degrees; 0 is perfect",
        "median": "the angle, in degrees, that half of the pixels stay below; 0 is perfect",
        **{
            f"within_{limit}": f"share of the pixels within {limit} degrees; 1 is perfect"
            for limit in _LIMITS
        },
    }
    histogram: Tensor

    def __init__(self) -> None:
        super().__init__()
        counts = torch.zeros(180 * _BINS_PER_DEGREE + 1, dtype=torch.int64)
        self.add_state("histogram", default=counts, dist_reduce_fx="sum")

    def measure(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> Tensor:
        """Also counts the batch's angles into the histogram."""
        angle = angle_between(pred.double(), target.double())  # (B, 1, H, W)
        bins = (angle[valid].nan_to_num(180.0) * _BINS_PER_DEGREE).long()
        self.histogram += bins.bincount(minlength=len(self.histogram))
        medians = [
            each[here].median() if here.any() else each.new_tensor(torch.nan)
            for each, here in zip(angle, valid, strict=True)
        ]
        angle = angle.masked_fill(~valid, 0.0)
        sums = sum_per_image(valid, angle, *[(angle <= limit) & valid for limit in _LIMITS])
        return torch.cat([torch.stack(medians)[:, None], sums], dim=1)

    def evaluate(self, rows: Tensor) -> dict[str, Tensor]:
        cumulative = self.histogram.cumsum(0)
        middle = (cumulative < (cumulative[-1] + 1) // 2).sum()
        return _formulas((middle.double() + 0.5) / _BINS_PER_DEGREE, rows[:, 1:].sum(0))

    def per_image(self) -> dict[str, Tensor]:
        rows = self.all_rows().cpu()
        return _formulas(rows[:, 0], rows[:, 1:])


def angle_between(one: Tensor, other: Tensor) -> Tensor:
    """Degrees between the vectors along axis 1: (B, 3, ...) to (B, 1, ...).

    Kahan's formula for unit vectors, 2 atan2(|a - b|, |a + b|), is exact where the arc cosine is not, near 0 and 180.
    """
    one, other = F.normalize(one, dim=1), F.normalize(other, dim=1)
    half = torch.atan2((one - other).norm(dim=1, keepdim=True), (one + other).norm(dim=1, keepdim=True))
    return (2 * half).rad2deg()


def _formulas(median: Tensor, sums: Tensor) -> dict[str, Tensor]:
    count, total, *within = sums.unbind(-1)
    mean = total / count
    return {
        "mean": mean,
        "median": median.masked_fill(mean.isnan(), torch.nan),  # nothing valid, or a prediction that is NaN
        **{f"within_{limit}": inside / count for limit, inside in zip(_LIMITS, within, strict=True)},
    }
