"""Checking the parameters of an augmentation, and drawing them from torch's global generator."""

from __future__ import annotations

import torch

from cnnlib.types import CnnlibError


def check_number(augmentation: str, argument: str, value: float, low: float, high: float) -> None:
    """Raises ``CnnlibError`` unless ``value`` is a number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise CnnlibError(
            f"{augmentation}: {argument} must be a number in [{low:g}, {high:g}]; got {value!r}"
        )


def uniform(low: float, high: float) -> float:
    """A number drawn uniformly from [low, high)."""
    return low + (high - low) * torch.rand(()).item()


def happens(p: float) -> bool:
    """True with probability ``p``."""
    return torch.rand(()).item() < p
