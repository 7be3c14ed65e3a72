"""From values a pixel to one number: only what is valid counts, and nothing ever divides by zero."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlib.checks import check_same_shape


def valid_inputs(pred: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Prediction and target in at least float32 with 0 wherever they are not valid; and the valid mask.

    Zeroing the inputs, not the values computed from them, is what keeps a NaN in an invalid pixel out
    of the gradient as well.

    Raises:
        ValueError: unless all have one shape.
    """
    check_same_shape(pred, target, valid)
    if valid is None:
        valid = torch.ones_like(target, dtype=torch.bool)
    dtype = torch.promote_types(pred.dtype, torch.float32)
    return torch.where(valid, pred.to(dtype), 0.0), torch.where(valid, target.to(dtype), 0.0), valid


def mean_over_valid(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of ``values`` where ``valid``, both of one shape; 0 where nothing is."""
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp(min=1)


def mean_over_images(losses: Tensor, valid: Tensor) -> Tensor:
    """Mean of ``losses`` (B,) or (B, C) over the images, or their channels, with a valid pixel.

    ``valid`` is (B, C, H, W).
    """
    return mean_over_valid(losses, valid.flatten(losses.ndim).any(dim=-1))


def power(base: Tensor, exponent: float) -> Tensor:
    """``base ** exponent`` for bases of at least 0, with a gradient of 0, not infinity or NaN, at 0."""
    positive = base > 0
    return torch.where(positive, torch.where(positive, base, 1.0) ** exponent, 0.0)
