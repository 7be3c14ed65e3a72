"""Cross-entropy with more weight near the mask's boundary."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor

from cnnlib.losses.base import FunctionLoss
from cnnlib.losses.reduction import valid_maps
from cnnlib.losses.window import window_sums


def boundary_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    amplitude: Annotated[float, Ge(0)] = 5.0,
    radius: Annotated[int, Ge(1)] = 7,
) -> Tensor:
    """Boundary-aware BCE: a pixel near the mask's boundary, or in a thin part of it, counts more.

    Formula: sum(w · BCE) / sum(w), w = 1 + amplitude · |local mean of t - t|, over a square of 2 · radius + 1 pixels
    Range: [0, ∞)
    Source: Wei et al., F3Net: Fusion, Feedback and Focus for Salient Object Detection, AAAI 2020 (there amplitude 5 and
        radius 15, for images of 352 pixels)

    Args:
        amplitude: how much more such a pixel may count; 0 is plain BCE.
        radius: how far from the boundary it still counts, in pixels.
    """
    logits, target, valid = valid_maps(logits, target, valid)
    values = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    weight = 1 + amplitude * (_local_mean(target, valid, radius) - target).abs()
    weight = torch.where(valid, weight, 0.0)
    # Divided by the weights' sum, so that the amplitude moves attention, not the loss's scale.
    return (weight * values).sum() / weight.sum().clamp(min=1)


class BoundaryLoss(FunctionLoss, function=boundary_loss, values={"logits"}, needs_map=True): ...


def _local_mean(values: Tensor, valid: Tensor, radius: int) -> Tensor:
    """Mean over the valid pixels of the square of ``2 * radius + 1`` pixels around each, (B, C, H, W)."""
    flat = values.new_ones(radius + 1)
    count = window_sums(valid.to(values.dtype), flat)
    return torch.where(valid, window_sums(values, flat) / count, 0.0)
