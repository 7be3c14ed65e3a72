"""Cross-entropy that looks away from what is already right."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlib.checks import check_range
from cnnlib.losses.base import Loss
from cnnlib.losses.reduction import mean_over_valid, valid_inputs


def focal_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    gamma: float = 2.0,
    alpha: float | None = None,
) -> Tensor:
    """``FocalLoss`` as a function."""
    logits, target, valid = valid_inputs(logits, target, valid)
    evidence = logits * (2 * target - 1)  # for the true class: q = sigmoid(evidence)
    # (1 - q) ** gamma by way of its logarithm: its gradient stays finite for every gamma, even at q = 1.
    values = torch.exp(gamma * F.logsigmoid(-evidence)) * F.softplus(-evidence)
    if alpha is not None:
        values = values * (alpha * target + (1 - alpha) * (1 - target))
    return mean_over_valid(values, valid)


class FocalLoss(Loss):
    """Cross-entropy that counts a pixel the less, the better it is already predicted.

    Formula: mean(-(1 - q)^gamma log q), q the predicted probability of the true label; with alpha, foreground
        counts alpha and background 1 - alpha
    Range: [0, ∞)
    Task: mask
    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017 (there alpha = 0.25)

    Args:
        gamma: how fast easy pixels lose their weight, at least 0; 0 is plain BCE.
        alpha: weight of the foreground, between 0 and 1; null leaves both classes at 1.

    Raises:
        CnnlibError: if an option is out of its range.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask"})
    on_logits: ClassVar[bool] = True

    def __init__(self, gamma: float = 2.0, alpha: float | None = None) -> None:
        super().__init__()
        check_range("gamma", gamma, least=0)
        if alpha is not None:
            check_range("alpha", alpha, above=0, below=1)
        self.gamma = gamma
        self.alpha = alpha

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return focal_loss(logits, target, valid, self.gamma, self.alpha)
