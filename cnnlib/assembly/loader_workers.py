"""How many processes load the data where ``training.workers`` is ``auto``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from cnnlib.datasets.loading import SeededSamples
from cnnlib.types import Sample, SampleSource

_QUICK = 0.001  # seconds per sample: a thousand in a second seldom keep a net waiting
_MOST = 8
_TIMED = 8


def automatic_workers(seconds_per_sample: float, cores: int) -> int:
    """0 where samples are ready quickly, or no core is left beside the training process; else one per other core,
    at most 8: more seldom help, and each takes memory.
    """
    return 0 if seconds_per_sample < _QUICK else min(cores - 1, _MOST)


def loading_seconds(source: SampleSource, transform: Callable[[Sample], Sample]) -> float:
    """What a sample takes to load and transform: the median of a few that are spread evenly, after a first one."""
    samples = SeededSamples(source, transform, seed=0)
    seconds = []
    for index in (0, *np.linspace(0, len(samples) - 1, _TIMED).round().astype(int)):
        began = time.perf_counter()
        samples[0, int(index)]
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])
