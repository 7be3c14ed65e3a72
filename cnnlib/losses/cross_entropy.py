"""Cross-entropy over several classes."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlib.checks import check_same_shape
from cnnlib.losses.base import Loss
from cnnlib.losses.reduction import mean_over_valid


def cross_entropy_loss(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """``CrossEntropyLoss`` as a function.

    Args:
        logits: (B, classes, H, W).
        target: (B, 1, H, W), whole numbers from 0 to classes - 1 wherever valid.
        valid: bool (B, 1, H, W).

    Raises:
        ValueError: unless the shapes fit.
    """
    check_same_shape(logits[:, :1], target, valid)
    if valid is None:
        valid = torch.ones_like(target, dtype=torch.bool)
    logits = torch.where(valid, logits.to(torch.promote_types(logits.dtype, torch.float32)), 0.0)
    classes = torch.where(valid, target, 0).long().squeeze(1)  # (B, H, W)
    return mean_over_valid(F.cross_entropy(logits, classes, reduction="none").unsqueeze(1), valid)


class CrossEntropyLoss(Loss):
    """Cross-entropy of the softmax: how surprised the prediction is by each pixel's class.

    Unlike elsewhere, the shapes differ: logits (B, classes, H, W), target and valid (B, 1, H, W), the target
    whole numbers from 0.

    Formula: mean(-log softmax(logits)[t])
    Range: [0, ∞)
    Task: semantic
    Source: torch.nn.functional.cross_entropy
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"semantic"})
    on_logits: ClassVar[bool] = True

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return cross_entropy_loss(logits, target, valid)
