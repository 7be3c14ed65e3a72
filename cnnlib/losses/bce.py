"""Binary cross-entropy, plain and with a weight for the rarer class."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlib.checks import check_range
from cnnlib.losses.base import Loss
from cnnlib.losses.reduction import mean_over_valid, valid_inputs
from cnnlib.types import CnnlibError


def bce_loss(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """``BCELoss`` as a function."""
    logits, target, valid = valid_inputs(logits, target, valid)
    return mean_over_valid(F.binary_cross_entropy_with_logits(logits, target, reduction="none"), valid)


class BCELoss(Loss):
    """Binary cross-entropy: how surprised the prediction is by each pixel's label.

    Formula: mean(-t log p - (1 - t) log(1 - p)), p = sigmoid(logits)
    Range: [0, ∞)
    Task: mask
    Source: torch.nn.functional.binary_cross_entropy_with_logits
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask"})
    on_logits: ClassVar[bool] = True

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return bce_loss(logits, target, valid)


def weighted_bce_loss(
    logits: Tensor, target: Tensor, valid: Tensor | None = None, *, pos_weight: float
) -> Tensor:
    """``WeightedBCELoss`` as a function, with a weight that is already known."""
    logits, target, valid = valid_inputs(logits, target, valid)
    weight = torch.tensor(pos_weight, dtype=logits.dtype, device=logits.device)
    values = F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight, reduction="none")
    return mean_over_valid(values, valid)


class WeightedBCELoss(Loss):
    """Binary cross-entropy in which a foreground pixel counts ``pos_weight`` times.

    Formula: mean(-w t log p - (1 - t) log(1 - p)), p = sigmoid(logits), w = pos_weight
    Range: [0, ∞)
    Task: mask
    Source: torch.nn.functional.binary_cross_entropy_with_logits

    Args:
        pos_weight: what a foreground pixel counts for, above 0; "balanced" takes background pixels
            divided by foreground pixels in the training split, so that both classes count alike.

    Raises:
        CnnlibError: if ``pos_weight`` is neither; from ``prepare``, if the training masks show one class only.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask"})
    on_logits: ClassVar[bool] = True

    def __init__(self, pos_weight: float | Literal["balanced"] = "balanced") -> None:
        super().__init__()
        if pos_weight != "balanced":
            check_range('pos_weight, unless "balanced",', pos_weight, above=0)
        self.pos_weight = pos_weight

    def prepare(self, targets: Iterable[Tensor]) -> None:
        """Counts both classes where ``pos_weight`` is "balanced". NaN counts as neither."""
        if self.pos_weight != "balanced":
            return
        foreground = background = 0
        for target in targets:
            foreground += int((target >= 0.5).sum())
            background += int((target < 0.5).sum())
        if not foreground or not background:
            raise CnnlibError(
                f'pos_weight "balanced" needs both classes in the training masks; they hold {foreground} '
                f"foreground and {background} background pixels. Check the masks, or give pos_weight a number"
            )
        self.pos_weight = background / foreground

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        if self.pos_weight == "balanced":
            raise RuntimeError(
                'pos_weight "balanced" is not known yet: call prepare(targets) before training'
            )
        return weighted_bce_loss(logits, target, valid, pos_weight=self.pos_weight)
