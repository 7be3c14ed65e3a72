"""Heatmaps of points: maps with one peak each, compared as numbers, as odds, or as distributions over the places."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor

from cnnlib.losses.base import FunctionLoss, Positive
from cnnlib.losses.reduction import mean_over_images, mean_over_valid, valid_maps

_LEAST = 1e-12  # stands for 0 in logarithms and divisions


def adaptive_wing_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    omega: Positive = 14.0,
    theta: Positive = 0.5,
    epsilon: Positive = 1.0,
    alpha: Annotated[float, Gt(2)] = 2.1,
    foreground_weight: Annotated[float, Ge(0)] = 10.0,
) -> Tensor:
    """Strict near a peak, where small errors pull as with Wing, and tolerant in the background, where they hardly do.

    Formula: mean w h, h = omega log(1 + |d/epsilon|^(alpha - t)) where |d| < theta, else A |d| - C, d = p - t; A and C
        continue the logarithm with its value and slope at theta; w = 1 + foreground_weight where t is at least 0.2 at
        the pixel or one of its 8 neighbours, else 1
    Range: [0, ∞)
    Source: Wang et al., Adaptive Wing Loss for Robust Face Alignment via Heatmap Regression, ICCV 2019

    Args:
        omega: how much the logarithmic part counts.
        theta: the error at which the logarithm ends; a heatmap's peak is about 1.
        epsilon: how strongly the logarithm is bent; the smaller, the stronger the pull of a small error.
        alpha: the exponent of an error in the background; at a peak it is 1 less.
        foreground_weight: added to the weight of 1 of a pixel at or beside a peak.
    """
    pred, target, valid = valid_maps(pred, target, valid)
    size = (pred - target).abs()
    # A Gaussian that the picture's edge cuts has a peak above 1; an exponent below 1 would be infinitely steep at 0.
    exponent = alpha - target.clamp(max=1.0)
    at_theta = (theta / epsilon) ** exponent
    slope = omega * exponent * at_theta / (theta * (1 + at_theta))
    logarithm = omega * torch.log1p((size.clamp(max=theta) / epsilon) ** exponent)
    line = omega * torch.log1p(at_theta) + slope * (size - theta)
    foreground = F.max_pool2d(target, 3, stride=1, padding=1) >= 0.2
    weight = 1 + foreground_weight * foreground
    return mean_over_valid(weight * torch.where(size < theta, logarithm, line), valid)


class AdaptiveWingLoss(FunctionLoss, function=adaptive_wing_loss, values={"heatmaps"}, needs_map=True): ...


def heatmap_focal_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    alpha: Annotated[float, Ge(1)] = 2.0,
    beta: Annotated[float, Ge(0)] = 4.0,
) -> Tensor:
    """Asks of each pixel whether it is the nearest to the point: focal loss that forgives the pixels around it.

    CenterNet's probability of a pixel is here the heatmap read as odds, so a heatmap of 1 is a probability of one half;
    as in CenterNet, it is the sigmoid of a raw output, up to a constant. It knows a point only to the pixel: give it a
    loss on the coordinates beside it.

    Formula: mean over the maps of the sum of -(1 - q)^alpha log q at the peak of t, and -(1 - s)^beta q^alpha
        log(1 - q) elsewhere, q = p/(1 + p), s = t divided by its peak
    Range: [0, ∞)
    Source: Zhou et al., Objects as Points, 2019; Law and Deng, CornerNet, ECCV 2018

    Args:
        alpha: how fast a pixel that is already right loses its weight.
        beta: how far around the peak a pixel is forgiven; the smaller, the farther.
    """
    pred, target, valid = valid_maps(pred, target, valid)
    odds = pred.clamp(min=0.0)
    peak = target.amax((2, 3), keepdim=True)
    share = target / peak.clamp(min=_LEAST)
    missed = (1 + odds) ** -alpha * (odds.log1p() - odds.clamp(min=_LEAST).log())
    invented = (1 - share) ** beta * (odds / (1 + odds)) ** alpha * odds.log1p()
    values = torch.where(valid, torch.where(target == peak, missed, invented), 0.0)
    return mean_over_images(values.sum((2, 3)), valid)


class HeatmapFocalLoss(FunctionLoss, function=heatmap_focal_loss, values={"heatmaps"}, needs_map=True): ...


def jensen_shannon_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """How far each heatmap is from the target's as a distribution over the places, whatever their sums.

    It is DSNT's regulariser: beside a loss on the coordinates, which are the heatmap's mean, it makes the heatmap one
    compact spot around the point (`points: {loss: [{name: l1}, {name: jensen_shannon, on: heatmaps}]}`).

    Formula: mean over the maps of KL(p, m)/2 + KL(t, m)/2, m = (p + t)/2, each map divided by its sum
    Range: [0, log 2]
    Source: Nibali et al., Numerical Coordinate Regression with Convolutional Neural Networks, 2018
    """
    pred, target, valid = valid_maps(pred, target, valid)
    found, truth = _distributions(pred), _distributions(target)
    middle = (found + truth) / 2
    divergence = (_relative_entropy(found, middle) + _relative_entropy(truth, middle)) / 2
    return mean_over_images(divergence, valid)


class JensenShannonLoss(FunctionLoss, function=jensen_shannon_loss, values={"heatmaps"}, needs_map=True): ...


def _distributions(maps: Tensor) -> Tensor:
    """Maps (B, C, H, W) with a sum of 1 each, (B, C, H W); a map of zeros stays one."""
    positive = maps.clamp(min=0.0).flatten(2)
    return positive / positive.sum(2, keepdim=True).clamp(min=_LEAST)


def _relative_entropy(one: Tensor, other: Tensor) -> Tensor:
    """KL divergence along the last axis. The bound keeps the gradient finite where a probability is 0."""
    return (one * (one.clamp(min=_LEAST).log() - other.clamp(min=_LEAST).log())).sum(-1)
