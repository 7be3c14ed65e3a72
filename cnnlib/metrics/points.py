"""How far predicted points are from the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from cnnlib.metrics.base import PerImageSums, sum_per_image
from cnnlib.types import Size

_CURVE_END = 0.08  # of the reference


class PointsMetrics(PerImageSums):
    """Distances of the valid points, in pixels and as shares of two lengths::

        error = mean distance              within_r = share of distances up to r x the picture's longer side
        nme = mean distance / reference    pck = share of distances up to 0.2 x box, pck_0.1: up to 0.1 x box

    All these means are over the points of the split together; ``error_<point>`` is over one point's. ``auc_0.08`` is
    over images: with F(e) the share of the images whose own nme is at most e, it is the area under F from 0 to 0.08,
    divided by 0.08, as 300-W has it for the eyes' distance. The box is the diagonal of the box around the valid true
    points of the image; the picture's longer side where there are fewer than two, or all in one place. The reference is
    the box, or the true distance of a pair of points: images in which one of them is not valid, or both are in one
    place, have no part in nme and auc.

    Source: nme, pck and auc as in Sagonas et al., "300 Faces in-the-Wild Challenge", 2013 and 2016, and Yang and
    Ramanan, "Articulated Human Detection with Flexible Mixtures of Parts", 2013, who take the object's size.

    Args:
        names: of the points.
        reference: see above; the pair by name.
    """

    def __init__(self, names: Sequence[str], reference: Literal["box"] | tuple[str, str] = "box") -> None:
        super().__init__()
        self.pair = None if reference == "box" else [list(names).index(name) for name in reference]
        self.names = tuple(names) if len(names) > 1 else ()  # a single point's error is ``error``
        box = "the diagonal of the box around the true points"
        length = "the distance between the true points {} and {}".format(*reference) if self.pair else box
        self.explanations = {
            "error": "mean distance from the true point, in pixels; 0 is perfect",
            "within_0.05": "share of the points within 0.05 of the picture's longer side of the truth; 1 is perfect",
            "within_0.02": "share of the points within 0.02 of the picture's longer side of the truth; 1 is perfect",
            "nme": f"mean of the distance divided by {length}; 0 is perfect",
            "pck": f"share of correct points: off by at most 0.2 of {box}; 1 is perfect",
            "pck_0.1": f"share of correct points: off by at most 0.1 of {box}; 1 is perfect",
            "auc_0.08": "share of the images whose nme is at most e, averaged over all e from 0 to 0.08 (the area "
            "under the error curve); 1 is perfect",
        } | {
            f"error_{name}": f"mean distance from the true {name}, in pixels; 0 is perfect"
            for name in self.names
        }

    def measure(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> Tensor:
        """``pred`` (B, K, 3) or (B, K, 2), ``target`` (B, K, 2), ``valid`` (B, K)."""
        target = target.double()
        distance = (pred[..., :2].double() - target).norm(dim=-1).masked_fill(~valid, 0.0)  # (B, K)
        box = _box_diagonal(target, valid, size)[:, None]
        reference = self._pair_distance(target, valid)[:, None] if self.pair else box
        scaled = valid & reference.isfinite()
        share = (distance / reference).masked_fill(~scaled, 0.0)
        own = share.sum(1, keepdim=True) / scaled.sum(
            1, keepdim=True
        )  # NaN where there is none, or a prediction is NaN
        under_curve = (1 - own / _CURVE_END).clamp(min=0).nan_to_num(0.0)
        near, nearer = (valid & (distance <= limit * max(size)) for limit in (0.05, 0.02))
        correct, closer = (valid & (distance <= limit * box) for limit in (0.2, 0.1))
        everything = sum_per_image(
            valid,
            distance,
            near,
            nearer,
            scaled,
            share,
            correct,
            closer,
            scaled.any(1, keepdim=True),
            under_curve,
        )
        return torch.cat([everything, valid.double(), distance], dim=1)

    def formulas(self, sums: Tensor) -> dict[str, Tensor]:
        count, distance, near, nearer, scaled, share, correct, closer, images, under_curve = sums[
            ..., :10
        ].unbind(-1)
        counts, distances = sums[..., 10:].unflatten(-1, (2, -1)).unbind(-2)  # (..., K)
        return {
            "error": distance / count,
            "within_0.05": near / count,
            "within_0.02": nearer / count,
            "nme": share / scaled,
            "pck": correct / count,
            "pck_0.1": closer / count,
            "auc_0.08": under_curve / images,
            **{f"error_{name}": (distances / counts)[..., i] for i, name in enumerate(self.names)},
        }

    def _pair_distance(self, target: Tensor, valid: Tensor) -> Tensor:
        """Of each image, (B,); NaN where it is unknown or 0."""
        distance = (target[:, self.pair[0]] - target[:, self.pair[1]]).norm(dim=-1)
        return distance.masked_fill(~valid[:, self.pair].all(1) | (distance == 0), torch.nan)


def _box_diagonal(target: Tensor, valid: Tensor, size: Size) -> Tensor:
    """Of each image, (B,); the picture's longer side where there is no box."""
    hidden = ~valid[..., None]
    low, high = target.masked_fill(hidden, torch.inf).amin(1), target.masked_fill(hidden, -torch.inf).amax(1)
    diagonal = (high - low).norm(dim=-1)
    return diagonal.masked_fill((valid.sum(1) < 2) | (diagonal == 0), max(size))
