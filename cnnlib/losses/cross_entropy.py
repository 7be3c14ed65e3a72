"""Cross-entropy over several classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal, TypeAlias

import torch
import torch.nn.functional as F
from annotated_types import Ge, Lt
from torch import Tensor

from cnnlib.checks import check_same_shape, checked
from cnnlib.losses.base import Loss
from cnnlib.losses.reduction import mean_over_valid
from cnnlib.types import CnnlibError

Smoothing: TypeAlias = Annotated[float, Ge(0), Lt(1)]


def cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    label_smoothing: Smoothing = 0.0,
    class_weights: Sequence[float] | None = None,
) -> Tensor:
    """``CrossEntropyLoss`` as a function, with weights that are already known.

    The shapes differ from those of the other losses: logits (B, classes, ...), target (B, ...), integers from 0 to
    classes - 1 where valid, and a valid mask that can be broadcast to the target.
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
    if class_weights is None:
        values = F.cross_entropy(logits, target, reduction="none", label_smoothing=label_smoothing)
        return mean_over_valid(values, valid)
    if len(class_weights) != logits.shape[1]:
        raise ValueError(
            f"class_weights must have one number for each of the {logits.shape[1]} classes; it has {len(class_weights)}"
        )
    weights = torch.tensor(class_weights, dtype=dtype, device=logits.device)
    values = F.cross_entropy(logits, target, weights, reduction="none", label_smoothing=label_smoothing)
    total = torch.where(valid, weights[target], 0.0).sum()
    return torch.where(valid, values, 0.0).sum() / torch.where(total > 0, total, 1.0)


class CrossEntropyLoss(Loss):
    """Cross-entropy of the softmax: the negative log-likelihood of each true class.

    The shapes differ from those of the other losses: logits (B, classes, ...), target (B, ...), integers from 0 to
    classes - 1 where valid, and a valid mask that can be broadcast to the target.

    Formula: mean(-Σ_k q_k log softmax(logits)_k), q_k = (1 - s) [k = t] + s / classes, s = label_smoothing; with
        class_weights w, Σ(-Σ_k w_k q_k log softmax(logits)_k) / Σ w_t
    Range: [0, ∞)
    Source: torch.nn.functional.cross_entropy; Szegedy et al., Rethinking the Inception Architecture, CVPR 2016 (label
        smoothing)

    Args:
        label_smoothing: share of each true label that is spread evenly over all classes, so that the prediction does
            not become overconfident; the least possible loss is then above 0.
        class_weights: how much each class counts; "balanced" takes one divided by its number in the training split, so
            that rare classes count as much as frequent ones.

    Raises:
        CnnlibError: all weights are 0; from ``prepare``, if the training targets show one class only.
    """

    values: ClassVar[frozenset[str]] = frozenset({"classes"})

    @checked
    def __init__(
        self,
        label_smoothing: Smoothing = 0.0,
        class_weights: list[Annotated[float, Ge(0)]] | Literal["balanced"] | None = None,
    ) -> None:
        super().__init__()
        if class_weights is not None and class_weights != "balanced" and not any(class_weights):
            raise CnnlibError(f"class_weights must have a number above 0; they are {class_weights}")
        self.label_smoothing, self.class_weights = label_smoothing, class_weights
        self.counts = torch.zeros(0, dtype=torch.long)

    def prepare(self, targets: Iterable[Tensor]) -> None:
        """Counts the classes where ``class_weights`` is "balanced"."""
        if self.class_weights != "balanced":
            return
        for target in targets:
            found = target.long().flatten().bincount(minlength=len(self.counts))
            self.counts = found + F.pad(self.counts, (0, len(found) - len(self.counts)))
        if (self.counts > 0).sum() < 2:
            raise CnnlibError(
                'class_weights "balanced" needs at least two classes in the training targets; they hold '
                f"{int((self.counts > 0).sum())}. Check the targets, or give class_weights numbers"
            )

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return cross_entropy_loss(logits, target, valid, self.label_smoothing, self._weights(logits.shape[1]))

    def _weights(self, classes: int) -> list[float] | None:
        """Classes that training does not show count 0."""
        if self.class_weights != "balanced":
            return self.class_weights
        if not len(self.counts):
            raise RuntimeError(
                'class_weights "balanced" are not known yet: call prepare(targets) before training'
            )
        counts = self.counts.tolist() + [0] * (classes - len(self.counts))
        return [sum(counts) / count if count else 0.0 for count in counts]
