"""How far predicted depths are from the true ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from cnnlib.metrics.base import PerImageSums, sum_per_image
from cnnlib.metrics.depth_protocol import DepthProtocol
from cnnlib.types import Size


class DepthMetrics(PerImageSums):
    """The field's depth metrics, over all valid pixels, of prediction p and target t::

        mae = mean |p - t|                      abs_rel = mean |p - t| / t
        rmse = sqrt(mean (p - t)^2)             sq_rel = mean (p - t)^2 / t
        rmse_log = sqrt(mean d^2)               silog = 100 sqrt(mean d^2 - (mean d)^2)
        log10 = mean |d| / log 10               delta1, 2, 3 = share with max(p / t, t / p) < 1.25, 1.25^2, 1.25^3

    with d = log p - log t. ``mae``, ``rmse`` and ``sq_rel`` are in the target's unit, the others have none. All but the
    first two use only the pixels whose target is positive. A prediction that is not positive makes those with a
    logarithm NaN or infinite and is outside every delta. Without a pixel to measure, a metric is NaN.

    The set and its names are those of Eigen et al., "Depth Map Prediction from a Single Image using a Multi-Scale
    Deep Network", 2014 (arXiv:1406.2283), and ``log10`` that of NYUv2's papers; ``silog`` is the root of Eigen's
    scale-invariant error times 100, as the KITTI benchmark prints it. On a split all of them are taken over its pixels
    together, as LibMTL does: its Abs Err and Rel Err are ``mae`` and ``abs_rel`` (it also counts negative targets).
    Benchmarks that average over images instead (KITTI's does) are matched by the mean of ``per_image``; MTAN's code
    averages over batches, which depends on their size and is not offered.

    Args:
        protocol: which pixels count.
    """

    explanations: ClassVar[Mapping[str, str]] = {
        "mae": "mean absolute error, in the unit of the depth; 0 is perfect",
        "rmse": "root of the mean squared error, in the unit of the depth: large errors count more; 0 is perfect",
        "abs_rel": "mean of the error divided by the true depth; 0 is perfect",
        "sq_rel": "mean of the squared error divided by the true depth; 0 is perfect",
        "rmse_log": "root of the mean squared error of log depth; 0 is perfect",
        "log10": "mean absolute error of the logarithm of depth to base 10; 0 is perfect",
        "silog": "spread of the error of log depth, blind to one wrong scale of the whole picture; 0 is perfect",
        "delta1": "share of pixels whose depth is within a factor of 1.25 of the truth; 1 is perfect",
        "delta2": "the same within a factor of 1.25² = 1.56; 1 is perfect",
        "delta3": "the same within a factor of 1.25³ = 1.95; 1 is perfect",
    }

    def __init__(self, protocol: DepthProtocol | None = None) -> None:
        super().__init__()
        self.protocol = protocol or DepthProtocol()

    def measure(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> Tensor:
        pred, valid = self.protocol.apply(pred, target, valid, size)
        positive = valid & (target > 0)
        pred, target = pred.double(), target.double()
        # What is not measured becomes an error of 0 first, since it may be NaN, infinite or zero.
        error = (pred - target).abs().masked_fill(~valid, 0.0)
        ratio = (pred / target).masked_fill(~positive, 1.0)
        log_ratio = ratio.log()
        distance = torch.maximum(ratio, 1 / ratio).masked_fill(ratio <= 0, torch.inf)
        deltas = [(distance < 1.25**power) & positive for power in (1, 2, 3)]
        return sum_per_image(
            valid,
            error,
            error.square(),
            positive,
            (ratio - 1).abs(),  # |p - t| / t
            (error * (ratio - 1).abs()).masked_fill(~positive, 0.0),  # (p - t)^2 / t
            log_ratio,
            log_ratio.abs(),
            log_ratio.square(),
            *deltas,
        )

    def formulas(self, sums: Tensor) -> dict[str, Tensor]:
        valid, error, square, positive, relative, square_relative = sums[..., :6].unbind(-1)
        log_ratio, log_error, log_square, *deltas = sums[..., 6:].unbind(-1)
        variance = log_square / positive - (log_ratio / positive).square()
        return {
            "mae": error / valid,
            "rmse": (square / valid).sqrt(),
            "abs_rel": relative / positive,
            "sq_rel": square_relative / positive,
            "rmse_log": (log_square / positive).sqrt(),
            "log10": log_error / positive / math.log(10),
            "silog": 100 * variance.clamp(min=0).sqrt(),  # rounding may leave it just below zero
            **{f"delta{power}": inside / positive for power, inside in enumerate(deltas, start=1)},
        }
