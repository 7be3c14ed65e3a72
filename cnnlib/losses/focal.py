"""Cross-entropy with less weight on what is already right."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from cnnlib.checks import checked
from cnnlib.losses.base import FunctionLoss
from cnnlib.losses.reduction import mean_over_valid, valid_inputs


def focal_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    gamma: float = 2.0,
    alpha: float | None = None,
) -> Tensor:
    logits, target, valid = valid_inputs(logits, target, valid)
    evidence = logits * (2 * target - 1)  # for the true class: q = sigmoid(evidence)
    # (1 - q) ** gamma by way of its logarithm: its gradient stays finite for every gamma, even at q = 1.
    values = torch.exp(gamma * F.logsigmoid(-evidence)) * F.softplus(-evidence)
    if alpha is not None:
        values = values * (alpha * target + (1 - alpha) * (1 - target))
    return mean_over_valid(values, valid)


class FocalLoss(FunctionLoss):
    """Binary cross-entropy in which an element counts less, the better it is already predicted.

    Formula: mean(-(1 - q)^gamma log q), q the predicted probability of the true label; with alpha, positives count
        alpha and negatives 1 - alpha
    Range: [0, ∞)
    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017 (there alpha = 0.25)

    Args:
        gamma: how fast easy elements lose their weight; 0 is plain BCE.
        alpha: weight of the positives; null leaves both classes at 1.
    """

    values: ClassVar[frozenset[str]] = frozenset({"logits"})
    function = staticmethod(focal_loss)

    @checked
    def __init__(
        self, gamma: Annotated[float, Ge(0)] = 2.0, alpha: Annotated[float, Gt(0), Lt(1)] | None = None
    ) -> None:
        super().__init__(gamma=gamma, alpha=alpha)
