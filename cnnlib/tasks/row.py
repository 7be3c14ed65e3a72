"""What tasks on a few numbers per image have in common: a prediction is a row of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cnnlib.tasks.base import Task


class RowTask(Task):
    """A task whose prediction is a few numbers.

    Attributes:
        columns: of the table, one for each number of a prediction.
    """

    columns: Sequence[str]

    def store(self, prediction: Tensor, valid: Tensor | None = None) -> dict[str, Any]:
        """Seven digits of each number; NaN and what is not valid are left empty."""
        if valid is not None:
            prediction = prediction.masked_fill(~self.expand_valid(valid, prediction), torch.nan)
        numbers = (
            None if math.isnan(value) else float(f"{value:.7g}") for value in prediction.flatten().tolist()
        )
        return dict(zip(self.columns, numbers, strict=True))

    def load(self, stored: Mapping[str, Any]) -> Tensor:
        texts = (stored[column] for column in self.columns)
        return torch.tensor([math.nan if text in (None, "") else float(text) for text in texts])
