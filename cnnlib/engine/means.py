"""Running means of what is logged."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Means:
    """Weighted means over batches of named values, each over the batches where it is not NaN.

    Sums stay on the device: reading one makes an accelerator wait.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._weights: dict[str, Tensor] = {}

    def add(self, values: Mapping[str, Tensor], weight: float | Tensor = 1.0) -> None:
        for key, value in values.items():
            known = ~value.detach().isnan()
            self._sums[key] = self._sums.get(key, 0.0) + torch.where(
                known, weight * value.detach().double(), 0.0
            )
            self._weights[key] = self._weights.get(key, 0.0) + weight * known.double()

    def compute(self) -> dict[str, float]:
        """NaN where a value was NaN in every batch."""
        return {key: float(total / self._weights[key]) for key, total in self._sums.items()}
