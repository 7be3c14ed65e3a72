"""Depth losses that are invariant to the scale, or to the scale and shift, of the whole image."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le, Lt
from torch import Tensor

from cnnlib.losses.base import FunctionLoss
from cnnlib.losses.reduction import mean_over_images, valid_inputs, valid_maps

_LEAST_DEPTH = 1e-6
_RIDGE = 1e-6


def silog_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    scale_invariance: Annotated[float, Ge(0), Le(1)] = 0.5,
) -> Tensor:
    """Scale-invariant logarithmic error: relative depth counts, a common factor only in part.

    Formula: mean g² - λ (mean g)², g = log p - log t, image by image, λ = scale_invariance; depths below 0.000001 are
        taken as that
    Range: [0, ∞)
    Source: Eigen et al., Depth Map Prediction from a Single Image, NIPS 2014

    Args:
        scale_invariance: how much of a common factor's error is ignored, from 0 (nothing) to 1 (all of it).
    """
    pred, target, valid = valid_inputs(pred, target, valid)
    ratio = (pred.clamp(min=_LEAST_DEPTH).log() - target.clamp(min=_LEAST_DEPTH).log()).flatten(1)  # (B, N)
    inside = valid.flatten(1)
    mean = _mean(ratio, inside)
    variance = _mean((ratio - mean).square(), inside)
    # mean g² - λ (mean g)², written as a sum so that rounding cannot make it negative.
    values = variance + (1 - scale_invariance) * mean.square()
    return mean_over_images(values.squeeze(1), valid)


class SILogLoss(FunctionLoss, function=silog_loss, values={"lengths"}): ...


def ssi_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    error: Literal["l1", "mse"] = "mse",
    trim: Annotated[float, Ge(0), Lt(1)] = 0.0,
) -> Tensor:
    """Scale-and-shift-invariant error: each prediction is first aligned to its target by least squares.

    It teaches shape, not absolute depth: add an absolute loss where that matters, also because the scale may be
    negative, and then an inverted map costs nothing.

    Formula: mean ρ(s p + b - t), (s, b) = argmin Σ (s p + b - t)² image by image, ρ the square or the absolute value
    Range: [0, ∞)
    Source: Ranftl et al., Towards Robust Monocular Depth Estimation (MiDaS), TPAMI 2022 (on inverse depth there)

    Args:
        error: the measure of the residual after the alignment.
        trim: share of each image's largest errors that are left out; MiDaS takes 0.2.
    """
    pred, target, valid = valid_maps(pred, target, valid)
    inside = valid.flatten(1)
    residual = _residual_after_alignment(pred.flatten(1), target.flatten(1), inside)
    values = residual.abs() if error == "l1" else residual.square()
    return mean_over_images(_trimmed_mean(values, inside, trim), valid)


class SSILoss(FunctionLoss, function=ssi_loss, values={"lengths"}, needs_map=True): ...


def _residual_after_alignment(pred: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """``s · pred + b - target``, (B, N), with the s and b of each row that make its squares least."""
    pred = pred - _mean(pred, inside)  # centred, the shift is solved for
    target = target - _mean(target, inside)
    covariance = _mean(pred * target, inside)
    # The ridge is far below what a useful prediction varies by; it only bounds the gradient of a flat one.
    variance = _mean(pred.square(), inside) + _RIDGE * _mean(target.square(), inside)
    flat = variance == 0
    scale = torch.where(flat, 0.0, covariance / torch.where(flat, 1.0, variance))
    return scale * pred - target


def _trimmed_mean(values: Tensor, inside: Tensor, trim: float) -> Tensor:
    """Mean (B,) of each row's ``values`` without the largest share ``trim`` of them."""
    if trim:
        kept = ((1 - trim) * inside.sum(dim=1, keepdim=True)).ceil()
        values = torch.where(inside, values, torch.inf).sort(dim=1).values
        inside = torch.arange(values.shape[1], device=values.device) < kept
    return _mean(values, inside).squeeze(1)


def _mean(values: Tensor, inside: Tensor) -> Tensor:
    """Mean (B, 1) of each row's ``values`` (B, N) that are ``inside``; 0 where none is."""
    total = torch.where(inside, values, 0.0).sum(dim=1, keepdim=True)
    return total / inside.sum(dim=1, keepdim=True).clamp(min=1)
