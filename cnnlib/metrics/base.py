"""How a whole split is measured: sums are kept for every image, and divided once."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from cnnlib.checks import check_rank, check_same_shape


class PerImageSums(Metric, ABC):
    """Metrics that are formulas of sums over pixels.

    The state is a row of K sums for each image, float64. ``compute`` applies the formulas to the sums over the
    whole split, so the result does not depend on how the images were batched, and is no mean of means;
    ``per_image`` applies them to each row. Across processes torchmetrics concatenates the rows; each process must
    have seen an image.
    """

    full_state_update = False
    is_differentiable = False
    rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    @abstractmethod
    def sums(self, pred: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """The sums of each image, float64 (B, K); the arguments are (B, C, H, W), ``valid`` is bool."""

    @abstractmethod
    def formulas(self, sums: Tensor) -> dict[str, Tensor]:
        """Every metric, (...), of sums (..., K); NaN where it is undefined."""

    def update(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        """Adds a batch of decoded predictions and targets, (B, C, H, W); pixels that are not ``valid`` are ignored.

        Raises:
            ValueError: unless all have one shape of four axes.
        """
        check_rank(pred, 4, "the prediction", "(B, C, H, W)")
        check_same_shape(pred, target, valid)
        if valid is None:
            valid = torch.ones_like(target, dtype=torch.bool)
        self.rows.append(self.sums(pred, target, valid.bool()))

    def compute(self) -> dict[str, float]:
        """Every metric of the whole split; NaN where it is undefined. Raises ``ValueError`` before any image."""
        total = self._all_rows().sum(0)
        return {name: value.item() for name, value in self.formulas(total).items()}

    def per_image(self) -> dict[str, Tensor]:
        """Every metric of each image that this process has seen, in that order: float64 (N,) on the CPU."""
        return self.formulas(self._all_rows().cpu())

    def _all_rows(self) -> Tensor:
        if len(self.rows) == 0:
            raise ValueError(f"{type(self).__name__} has seen no image; call update first")
        return dim_zero_cat(self.rows)  # (N, K)


def sum_per_image(*maps: Tensor) -> Tensor:
    """K maps (B, C, H, W), bool or float64, to the sums of each image, float64 (B, K)."""
    return torch.stack([values.flatten(1).sum(1).double() for values in maps], dim=1)
