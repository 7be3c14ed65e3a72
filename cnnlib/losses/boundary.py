"""Cross-entropy that looks hardest where the mask's edge runs."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlib.checks import check_range, check_whole
from cnnlib.losses.base import Loss
from cnnlib.losses.reduction import valid_inputs
from cnnlib.losses.window import window_sums


def boundary_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    amplitude: float = 5.0,
    radius: int = 7,
) -> Tensor:
    """``BoundaryLoss`` as a function."""
    logits, target, valid = valid_inputs(logits, target, valid)
    values = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    weight = 1 + amplitude * (_local_mean(target, valid, radius) - target).abs()
    weight = torch.where(valid, weight, 0.0)
    # Divided by the weights' sum, so that the amplitude moves attention, not the loss's scale.
    return (weight * values).sum() / weight.sum().clamp(min=1)


def _local_mean(values: Tensor, valid: Tensor, radius: int) -> Tensor:
    """Mean over the valid pixels of the square of ``2 * radius + 1`` pixels around each, (B, C, H, W)."""
    flat = values.new_ones(radius + 1)
    count = window_sums(valid.to(values.dtype), flat)
    return torch.where(valid, window_sums(values, flat) / count, 0.0)


class BoundaryLoss(Loss):
    """Boundary-aware BCE: a pixel near the mask's edge, or in a thin part of it, counts more.

    Formula: sum(w · BCE) / sum(w), w = 1 + amplitude · |local mean of t - t|, over a square of
        2 · radius + 1 pixels
    Range: [0, ∞)
    Task: mask
    Source: Wei et al., F3Net: Fusion, Feedback and Focus for Salient Object Detection, AAAI 2020 (there
        amplitude 5 and radius 15, for images of 352 pixels)

    Args:
        amplitude: how much more such a pixel may count, at least 0; 0 is plain BCE.
        radius: how far from the edge it still counts, in pixels, at least 1.

    Raises:
        CnnlibError: if an option is out of its range.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"mask"})
    on_logits: ClassVar[bool] = True

    def __init__(self, amplitude: float = 5.0, radius: int = 7) -> None:
        super().__init__()
        check_range("amplitude", amplitude, least=0)
        check_whole("radius", radius, 1)
        self.amplitude = amplitude
        self.radius = radius

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return boundary_loss(logits, target, valid, self.amplitude, self.radius)
