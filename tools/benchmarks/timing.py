"""Clocks, and what their figures depend on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np
import torch

_WARM_UP = 3
"""Calls that are not timed: the first ones allocate, and choose algorithms."""


def machine() -> str:
    """What the figures depend on beside the model."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {os.cpu_count()} cores, threads: {torch.get_num_threads()}"


def latency(call: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Median and 95th percentile of the seconds that a call takes, when warm."""
    for _ in range(_WARM_UP):
        call()
    seconds = []
    for _ in range(repeats):
        _finish_pending()
        began = time.perf_counter()
        call()
        _finish_pending()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds)), float(np.percentile(seconds, 95))


def _finish_pending() -> None:
    """A GPU returns before it is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
