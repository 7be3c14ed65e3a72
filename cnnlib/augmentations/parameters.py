"""Drawing an augmentation's parameters from torch's global generator."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import torch
from annotated_types import Ge, Le

Share: TypeAlias = Annotated[float, Ge(0), Le(1)]
Probability: TypeAlias = Share


def uniform(low: float, high: float) -> float:
    """A number drawn uniformly from [low, high)."""
    return low + (high - low) * torch.rand(()).item()


def happens(p: float) -> bool:
    """True with probability ``p``."""
    return torch.rand(()).item() < p
