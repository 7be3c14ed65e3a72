"""From single values to their mean: only what is valid counts, and nothing ever divides by zero."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlib.checks import check_rank, check_same_shape


def valid_inputs(pred: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Prediction and target in at least float32 with 0 wherever they are not valid; and the full valid mask.

    Zeroing the inputs, not the values computed from them, keeps a NaN that is not valid out of the gradient as well.

    Raises:
        ValueError: unless prediction and target have one shape, to which ``valid`` broadcasts.
    """
    check_same_shape(pred, target, valid)
    valid = torch.ones_like(target, dtype=torch.bool) if valid is None else valid.expand_as(target)
    dtype = torch.promote_types(pred.dtype, torch.float32)
    return torch.where(valid, pred.to(dtype), 0.0), torch.where(valid, target.to(dtype), 0.0), valid


def valid_maps(pred: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """``valid_inputs`` of losses with ``needs_map``. Raises ``ValueError`` also unless all are (B, C, H, W)."""
    check_rank(target, 4, "prediction and target", "(B, C, H, W)")
    return valid_inputs(pred, target, valid)


def mean_over_valid(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of ``values`` where ``valid``, both of one shape; 0 where nothing is."""
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp(min=1)


def mean_over_images(losses: Tensor, valid: Tensor) -> Tensor:
    """Mean of ``losses``, (B,) or (B, C), over the images, or their channels, with a valid element in (B, C, ...)."""
    return mean_over_valid(losses, valid.reshape(*losses.shape, -1).any(dim=-1))


def power(base: Tensor, exponent: float) -> Tensor:
    """``base ** exponent`` for bases of at least 0, with a gradient of 0, not infinity or NaN, at 0."""
    positive = base > 0
    return torch.where(positive, torch.where(positive, base, 1.0) ** exponent, 0.0)
