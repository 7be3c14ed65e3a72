"""Binary cross-entropy: plain, with a weight for the rarer class, and with less weight on what is already right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from cnnlib.checks import checked
from cnnlib.losses.base import FunctionLoss, Loss, Positive
from cnnlib.losses.reduction import mean_over_valid, valid_inputs
from cnnlib.types import CnnlibError


def bce_loss(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Binary cross-entropy: the negative log-likelihood of each true label.

    Formula: mean(-t log p - (1 - t) log(1 - p)), p = sigmoid(logits)
    Range: [0, ∞)
    Source: torch.nn.functional.binary_cross_entropy_with_logits
    """
    logits, target, valid = valid_inputs(logits, target, valid)
    return mean_over_valid(F.binary_cross_entropy_with_logits(logits, target, reduction="none"), valid)


class BCELoss(FunctionLoss, function=bce_loss, values={"logits"}): ...


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
    def __init__(self, pos_weight: Positive | Literal["balanced"] = "balanced") -> None:
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


def focal_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    gamma: Annotated[float, Ge(0)] = 2.0,
    alpha: Annotated[float, Gt(0), Lt(1)] | None = None,
) -> Tensor:
    """Binary cross-entropy in which an element counts less, the better it is already predicted.

    Formula: mean(-(1 - q)^gamma log q), q the predicted probability of the true label; with alpha, positives count
        alpha and negatives 1 - alpha
    Range: [0, ∞)
    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017 (there alpha = 0.25)

    Args:
        gamma: how fast easy elements lose their weight; 0 is plain BCE.
        alpha: weight of the positives; null leaves both classes at 1.
    """
    logits, target, valid = valid_inputs(logits, target, valid)
    evidence = logits * (2 * target - 1)  # for the true class: q = sigmoid(evidence)
    # (1 - q) ** gamma by way of its logarithm: its gradient stays finite for every gamma, even at q = 1.
    values = torch.exp(gamma * F.logsigmoid(-evidence)) * F.softplus(-evidence)
    if alpha is not None:
        values = values * (alpha * target + (1 - alpha) * (1 - target))
    return mean_over_valid(values, valid)


class FocalLoss(FunctionLoss, function=focal_loss, values={"logits"}): ...
