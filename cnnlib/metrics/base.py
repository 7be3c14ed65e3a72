"""How a whole split is measured: a row is kept for every image, and evaluated at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from cnnlib.types import Size


class PerImageRows(Metric, ABC):
    """Metrics of a split from a row of K numbers for each image, float64.

    Across processes torchmetrics concatenates the rows; each process must have seen an image.
    """

    full_state_update = False
    is_differentiable = False
    explanations: Mapping[str, str]
    rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    @abstractmethod
    def measure(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> Tensor:
        """The rows of a batch, float64 (B, K); the arguments are those of ``update``."""

    @abstractmethod
    def evaluate(self, rows: Tensor) -> dict[str, Tensor]:
        """Every metric, (), of the images whose rows (N, K) these are; NaN where it is undefined."""

    @abstractmethod
    def per_image(self) -> dict[str, Tensor]:
        """Metrics of each image that this process has seen, in that order: float64 (N,) on the CPU."""

    def update(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> None:
        """Adds a batch of decoded predictions, values and valid masks; what is not ``valid`` is ignored.

        Raises:
            ValueError: the batches of the three differ in size.
        """
        if not len(pred) == len(target) == len(valid):
            raise ValueError(
                f"prediction, target and valid mask must be of one batch; they hold {len(pred)}, {len(target)} and "
                f"{len(valid)} images"
            )
        self.rows.append(self.measure(pred, target, valid, size))

    def compute(self) -> dict[str, float]:
        """Every metric of the whole split; NaN where it is undefined. Raises ``ValueError`` before any image."""
        return {name: value.item() for name, value in self.evaluate(self.all_rows()).items()}

    def all_rows(self) -> Tensor:
        if len(self.rows) == 0:
            raise ValueError(f"{type(self).__name__} has seen no image; call update first")
        return dim_zero_cat(self.rows)  # (N, K)


class PerImageSums(PerImageRows):
    """Metrics that are formulas of sums over pixels, points or images.

    The formulas are applied to the sums over the whole split, so the result does not depend on how the images were
    batched and is no mean of means; ``per_image`` applies them to each row.
    """

    @abstractmethod
    def formulas(self, sums: Tensor) -> dict[str, Tensor]:
        """Every metric, (...), of sums (..., K); NaN where it is undefined."""

    def evaluate(self, rows: Tensor) -> dict[str, Tensor]:
        return self.formulas(rows.sum(0))

    def per_image(self) -> dict[str, Tensor]:
        return self.formulas(self.all_rows().cpu())


def sum_per_image(*values: Tensor) -> Tensor:
    """K tensors (B, ...), bool or float64, to the sums of each image, float64 (B, K)."""
    return torch.stack([each.flatten(1).sum(1).double() for each in values], dim=1)


class ClassSums(NamedTuple):
    """How many images or pixels each class is both found and true of, found, and true: float64 (..., classes)."""

    both: Tensor
    found: Tensor
    truth: Tensor
