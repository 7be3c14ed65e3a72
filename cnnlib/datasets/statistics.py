"""What can be predicted without looking at the image."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cnnlib.types import CnnlibError, SampleSource


def mean_target(source: SampleSource, task_name: str, max_samples: int = 5000) -> tuple[Tensor, Tensor]:
    """The mean of a dense target over the samples of a split, each pixel over where it is valid.

    Predicting this map for every image is the baseline that a trained net has to beat.

    Args:
        task_name: the target's entry in the samples; ``<task_name>_valid`` is heeded where there is one.
        max_samples: of a larger source, so many samples, spread evenly, are read.

    Returns:
        mean: float32 (C, H, W). Where no sample is valid it holds the mean of all other pixels (0 if there
            are none), so that it can be compared with any target.
        valid: bool (C, H, W), false where no sample is valid.

    Raises:
        CnnlibError: if the source is empty, or its targets are missing or differ in shape.
    """
    if len(source) == 0:
        raise CnnlibError(f"the mean of {task_name!r} needs at least one sample; the split is empty")
    total = count = None
    for index in np.linspace(0, len(source) - 1, min(len(source), max_samples)).round():
        sample = source[int(index)]
        if task_name not in sample:
            raise CnnlibError(f"sample {sample.get('name')!r} has no {task_name!r}; it has {sorted(sample)}")
        target = sample[task_name].double()
        valid = sample.get(f"{task_name}_valid", torch.ones_like(target, dtype=torch.bool))
        if total is None:
            total, count = torch.zeros_like(target), torch.zeros_like(target)
        if target.shape != total.shape:
            raise CnnlibError(
                f"a mean needs targets of one shape; {task_name!r} of sample {sample.get('name')!r} is "
                f"{tuple(target.shape)}, the first was {tuple(total.shape)}"
            )
        total += torch.where(valid, target, 0)  # not target * valid: invalid pixels may hold NaN
        count += valid
    seen = count > 0
    overall = total.sum() / count.sum().clamp(min=1)
    return torch.where(seen, total / count.clamp(min=1), overall).float(), seen
