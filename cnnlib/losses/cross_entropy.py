"""Cross-entropy over several classes, each with a weight of its own where classes are rare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal, TypeAlias

import torch
import torch.nn.functional as F
from annotated_types import Ge, Lt, MinLen
from torch import Tensor

from cnnlib.checks import check_same_shape, checked
from cnnlib.losses.base import Loss, Positive
from cnnlib.types import CnnlibError

Smoothing: TypeAlias = Annotated[float, Ge(0), Lt(1)]


def cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    label_smoothing: Smoothing = 0.0,
    class_weights: Sequence[float] | None = None,
) -> Tensor:
    """``CrossEntropyLoss`` as a function, with weights that are already known, one for each class."""
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
    weights = logits.new_ones(logits.shape[1]) if class_weights is None else logits.new_tensor(class_weights)
    values = F.cross_entropy(logits, target, weights, reduction="none", label_smoothing=label_smoothing)
    counted = torch.where(valid, weights[target], 0.0).sum()
    return torch.where(valid, values, 0.0).sum() / torch.where(counted > 0, counted, 1.0)


class CrossEntropyLoss(Loss):
    """Cross-entropy of the softmax: the negative log-likelihood of each true class.

    The shapes differ from those of the other losses: logits (B, classes, ...), target (B, ...), integers from 0 to
    classes - 1 where valid, and a valid mask that can be broadcast to the target. With weights, the mean is a weighted
    one: the sum is divided by that of the weights of the true classes.

    Formula: mean(-Σ_k w_k q_k log softmax(logits)_k) / mean(w_t), q_k = (1 - s) [k = t] + s / classes, s =
        label_smoothing, w_k = 1 without class_weights
    Range: [0, ∞)
    Source: torch.nn.functional.cross_entropy; Szegedy et al., Rethinking the Inception Architecture, CVPR 2016 (label
        smoothing); King and Zeng, Logistic Regression in Rare Events Data, 2001 (balanced weights)

    Args:
        label_smoothing: share of each true label that is spread evenly over all classes, so that the prediction does
            not become overconfident; the least possible loss is then above 0.
        class_weights: how much each class counts, in the order of the target's names; "balanced" takes the number of
            training elements divided by the number of classes among them and by the number of the class's own. A class
            without a training element then counts 0.

    Raises:
        CnnlibError: from ``prepare``, if no training target is valid; when called, if there is another number of
            weights than of classes.
    """

    values: ClassVar[frozenset[str]] = frozenset({"classes"})

    @checked
    def __init__(
        self,
        label_smoothing: Smoothing = 0.0,
        class_weights: Annotated[list[Positive], MinLen(2)] | Literal["balanced"] | None = None,
    ) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights
        self._balanced = class_weights == "balanced"

    def prepare(self, targets: Iterable[Tensor]) -> None:
        """Counts the classes where ``class_weights`` is "balanced"."""
        if not self._balanced:
            return
        counts = torch.zeros(1, dtype=torch.int64)
        for target in targets:
            found = target.long().flatten().bincount(minlength=len(counts))
            counts = F.pad(counts, (0, len(found) - len(counts))) + found
        if not counts.any():
            raise CnnlibError(
                'class_weights "balanced" needs training targets that are valid; there are none'
            )
        weights = counts.sum() / (counts.count_nonzero() * counts.double())
        self.class_weights = weights.masked_fill(counts == 0, 0).tolist()

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return cross_entropy_loss(logits, target, valid, self.label_smoothing, self._weights(logits.shape[1]))

    def _weights(self, classes: int) -> list[float] | None:
        weights = self.class_weights
        if weights == "balanced":
            raise RuntimeError(
                'class_weights "balanced" is not known yet: call prepare(targets) before training'
            )
        if weights is None:
            return None
        if self._balanced:  # the last classes may have no training element
            return weights + [0.0] * (classes - len(weights))
        if len(weights) != classes:
            raise CnnlibError(
                f"class_weights must have a weight for each of the {classes} classes, in the order of the target's "
                f"names; it has {len(weights)}"
            )
        return weights
