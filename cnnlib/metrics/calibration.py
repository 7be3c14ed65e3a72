"""Whether probabilities are as often right as they say."""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 15
"""Of equal width, from 0 to 1."""


def reliability_bins(confidence: Tensor, right: Tensor) -> Tensor:
    """Predictions sorted into bins by their confidence: float64 (15, 3), the number in each, and there the sum of the
    confidences and the number of those that are right.

    Bin m of 15 holds the confidences above (m - 1) / 15, up to and with m / 15; the first holds 0 too. A confidence of
    NaN makes the first bin's sum NaN.

    Args:
        confidence: (N,), in [0, 1].
        right: (N,), 0 or 1.
    """
    columns = torch.stack([torch.ones_like(confidence), confidence, right.to(confidence)], dim=1).double()
    index = (columns[:, 1].nan_to_num(0) * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
    return columns.new_zeros(BINS, 3).index_add(0, index, columns)


def calibration_error(bins: Tensor) -> Tensor:
    """The expected calibration error (...) of bins (..., 15, 3); NaN where they are empty.

    Formula: sum over the bins of |mean confidence - share that is right|, weighted by the bin's share of all.
    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017.
    """
    number, confidence, right = bins.unbind(-1)
    return (confidence - right).abs().sum(-1) / number.sum(-1)
