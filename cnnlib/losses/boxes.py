"""Losses on the overlap of boxes.

All boxes are (B, ..., 4): x and y of the upper left, then of the lower right corner, in any unit of length. A side
shorter than 0.000001, or one whose ends have changed places, counts as that long, so that no box divides by zero.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cnnlib.losses.base import FunctionLoss
from cnnlib.losses.reduction import mean_over_valid, valid_inputs

_LEAST_SIDE = 1e-6


def giou_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Generalised IoU: one minus IoU, plus the empty share of the smallest box around both.

    Boxes that do not overlap still attract each other, whereas one minus IoU is 1 for all of them.

    Formula: mean(1 - IoU + (|C| - |P ∪ T|) / |C|), C the smallest box around P and T
    Range: [0, 2)
    Source: Rezatofighi et al., Generalized Intersection over Union, CVPR 2019; torchvision
    """
    pred, target, valid = _valid_boxes(pred, target, valid)
    iou, union = _iou(pred, target)
    hull = _hull_sides(pred, target).prod(dim=-1)
    return mean_over_valid(1 - iou + (hull - union) / hull, valid)


class GIoULoss(FunctionLoss, function=giou_loss, values={"boxes"}): ...


def ciou_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Complete IoU: one minus IoU, plus terms for the distance of the centres and for the aspect ratio.

    Formula: mean(1 - IoU + d²/c² + a v), d the distance of the centres, c the diagonal of the smallest box around both,
        v = (4/π²) (atan(w_t/h_t) - atan(w_p/h_p))², a = v / (1 - IoU + v); no gradient flows through a
    Range: [0, 2.5)
    Source: Zheng et al., Distance-IoU Loss, AAAI 2020; torchvision
    """
    pred, target, valid = _valid_boxes(pred, target, valid)
    iou, _ = _iou(pred, target)
    offset = (pred[..., :2] + pred[..., 2:] - target[..., :2] - target[..., 2:]) / 2  # of the centres
    distance = offset.square().sum(dim=-1) / _hull_sides(pred, target).square().sum(dim=-1)
    shape = (4 / math.pi**2) * (_diagonal_angle(pred) - _diagonal_angle(target)).square()
    weight = (shape / (1 - iou + shape).clamp(min=1e-7)).detach()
    return mean_over_valid(1 - iou + distance + weight * shape, valid)


class CIoULoss(FunctionLoss, function=ciou_loss, values={"boxes"}): ...


def _valid_boxes(pred: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """``valid_inputs``, with a valid mask (B, ...) of whole boxes."""
    if target.shape[-1:] != (4,):
        raise ValueError(f"boxes must be (B, ..., 4); they have shape {tuple(target.shape)}")
    pred, target, valid = valid_inputs(pred, target, valid)
    return pred, target, valid.all(dim=-1)


def _sides(boxes: Tensor) -> Tensor:
    """Widths and heights, (..., 2)."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=_LEAST_SIDE)


def _iou(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union, and union, (...)."""
    upper_left, lower_right = pred[..., :2].maximum(target[..., :2]), pred[..., 2:].minimum(target[..., 2:])
    intersection = (lower_right - upper_left).clamp(min=0).prod(dim=-1)
    union = _sides(pred).prod(dim=-1) + _sides(target).prod(dim=-1) - intersection
    return intersection / union, union


def _hull_sides(pred: Tensor, target: Tensor) -> Tensor:
    """Width and height of the smallest box around both, (..., 2)."""
    corners = torch.cat([pred, target], dim=-1).unflatten(-1, (4, 2))
    return (corners.amax(dim=-2) - corners.amin(dim=-2)).clamp(min=_LEAST_SIDE)


def _diagonal_angle(boxes: Tensor) -> Tensor:
    width, height = _sides(boxes).unbind(dim=-1)
    return torch.atan(width / height)
