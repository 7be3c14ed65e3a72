"""Binary cross-entropy, plain and with a weight for the rarer class."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from annotated_types import Gt
from torch import Tensor

from cnnlib.checks import checked
from cnnlib.losses.base import FunctionLoss, Loss
from cnnlib.losses.reduction import mean_over_valid, valid_inputs
from cnnlib.types import CnnlibError


def bce_loss(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    logits, target, valid = valid_inputs(logits, target, valid)
    return mean_over_valid(F.binary_cross_entropy_with_logits(logits, target, reduction="none"), valid)


class BCELoss(FunctionLoss):
    """Binary cross-entropy: the negative log-likelihood of each true label.

    Formula: mean(-t log p - (1 - t) log(1 - p)), p = sigmoid(logits)
    Range: [0, ∞)
    Source: torch.nn.functional.binary_cross_entropy_with_logits
    """

    values: ClassVar[frozenset[str]] = frozenset({"logits"})
    function = staticmethod(bce_loss)


def weighted_bce_loss(
    logits: Tensor, target: Tensor, valid: Tensor | None = None, *, pos_weight: float
) -> Tensor:
    """``WeightedBCELoss`` as a function, with a weight that is already known."""
    logits, target, valid = valid_inputs(logits, target, valid)
    weight = torch.tensor(pos_weight, dtype=logits.dtype, device=logits.device)
    values = F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight, reduction="none")
    return mean_over_valid(values, valid)


class WeightedBCELoss(Loss):
    """Binary cross-entropy in which a positive element (a foreground pixel) counts ``pos_weight`` times.

    Formula: mean(-w t log p - (1 - t) log(1 - p)), p = sigmoid(logits), w = pos_weight
    Range: [0, ∞)
    Source: torch.nn.functional.binary_cross_entropy_with_logits

    Args:
        pos_weight: weight of a positive element; "balanced" takes the number of negatives divided by the number of
            positives in the training split, so that both classes count alike.

    Raises:
        CnnlibError: from ``prepare``, if the training targets show one class only.
    """

    values: ClassVar[frozenset[str]] = frozenset({"logits"})

    @checked
    def __init__(self, pos_weight: Annotated[float, Gt(0)] | Literal["balanced"] = "balanced") -> None:
        super().__init__()
        self.pos_weight = pos_weight

    def prepare(self, targets: Iterable[Tensor]) -> None:
        """Counts both classes where ``pos_weight`` is "balanced". NaN counts as neither."""
        if self.pos_weight != "balanced":
            return
        positive = negative = 0
        for target in targets:
            positive += int((target >= 0.5).sum())
            negative += int((target < 0.5).sum())
        if not positive or not negative:
            raise CnnlibError(
                f'pos_weight "balanced" needs both classes in the training targets; they hold {positive} positive '
                f"and {negative} negative elements. Check the targets, or give pos_weight a number"
            )
        self.pos_weight = negative / positive

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        if self.pos_weight == "balanced":
            raise RuntimeError(
                'pos_weight "balanced" is not known yet: call prepare(targets) before training'
            )
        return weighted_bce_loss(logits, target, valid, pos_weight=self.pos_weight)
