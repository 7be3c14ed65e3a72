"""Averages of many samples, element by element; NaN is what is not known."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

_MOST_VALUES = 2**26  # that a median keeps: 256 MiB
_AT_ONCE = 2**22  # values to sort; nanquantile takes at most 2**24


def sums(samples: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The sum of what is known of each element, and how many samples know it; both float64, in a sample's shape."""
    total = count = torch.zeros((), dtype=torch.float64)
    for sample in samples:
        total = total + sample.double().nan_to_num(0)
        count = count + ~sample.isnan()
    return total, count


def mean(total: Tensor, count: Tensor, alike: tuple[int, ...]) -> Tensor:
    """The mean of each element, from ``sums``.

    An element that no sample knows gets the mean of those that are alike, along these axes; 0 where none is known.
    """
    others = total.sum(alike, keepdim=True) / count.sum(alike, keepdim=True).clamp(min=1)
    return torch.where(count > 0, total / count.clamp(min=1), others)


def median(samples: Iterable[Tensor], alike: tuple[int, ...]) -> Tensor:
    """The median of each element, float32: of an even number, the mean of the two in the middle.

    Medians need all values at once. Of samples with more than 2**26 values together (256 MiB), only every second is
    kept, or every fourth, and so on, until fewer are left: of maps of 224 x 224 pixels, 670 samples or more.

    An element that no sample knows gets the median, axis by axis, of the medians that are alike; 0 where none is known.
    """
    kept: list[Tensor] = []
    step = 1
    for index, sample in enumerate(samples):
        if index % step == 0:
            kept.append(sample.float())
        if len(kept) * sample.numel() > _MOST_VALUES and len(kept) > 1:
            kept, step = kept[::2], 2 * step
    parts = zip(*(sample.flatten().split(max(1, _AT_ONCE // len(kept))) for sample in kept), strict=True)
    middle = torch.cat([torch.stack(part).nanquantile(0.5, dim=0) for part in parts]).view_as(kept[0])
    others = middle
    for axis in alike:
        others = others.nanquantile(0.5, axis, keepdim=True)
    return torch.where(middle.isnan(), others, middle).nan_to_num(0)
