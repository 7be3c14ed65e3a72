"""Cross-entropy over several classes."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Lt
from torch import Tensor

from cnnlib.checks import check_same_shape
from cnnlib.losses.base import FunctionLoss
from cnnlib.losses.reduction import mean_over_valid


def cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0,
) -> Tensor:
    """Cross-entropy of the softmax: the negative log-likelihood of each true class.

    The shapes differ from those of the other losses: logits (B, classes, ...), target (B, ...), integers from 0 to
    classes - 1 where valid, and a valid mask that can be broadcast to the target.

    Formula: mean(-Σ_k q_k log softmax(logits)_k), q_k = (1 - s) [k = t] + s / classes, s = label_smoothing
    Range: [0, ∞)
    Source: torch.nn.functional.cross_entropy; Szegedy et al., Rethinking the Inception Architecture, CVPR 2016 (label
        smoothing)

    Args:
        label_smoothing: share of each true label that is spread evenly over all classes, so that the prediction does
            not become overconfident; the least possible loss is then above 0.
    """
    if logits.shape[:1] + logits.shape[2:] != target.shape:
        raise ValueError(
            f"prediction and target must have one shape, but for the classes along axis 1 of the prediction; the "
            f"prediction is {tuple(logits.shape)}, the target {tuple(target.shape)}"
        )
    check_same_shape(target, target, valid)
    valid = torch.ones_like(target, dtype=torch.bool) if valid is None else valid.expand_as(target)
    dtype = torch.promote_types(logits.dtype, torch.float32)
    logits = torch.where(valid.unsqueeze(1), logits.to(dtype), 0.0)
    target = torch.where(valid, target, 0).long()
    values = F.cross_entropy(logits, target, reduction="none", label_smoothing=label_smoothing)
    return mean_over_valid(values, valid)


class CrossEntropyLoss(FunctionLoss, function=cross_entropy_loss, values={"classes"}): ...
