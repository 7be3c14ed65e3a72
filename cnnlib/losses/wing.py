"""A loss for landmarks that takes small errors seriously."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt
from torch import Tensor

from cnnlib.checks import checked
from cnnlib.losses.base import FunctionLoss
from cnnlib.losses.reduction import mean_over_valid, valid_inputs


def wing_loss(
    pred: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    width: float = 10 / 256,
    curvature: float = 2 / 256,
) -> Tensor:
    pred, target, valid = valid_inputs(pred, target, valid)
    size = (pred - target).abs()
    logarithm = width * torch.log1p(size / curvature)
    offset = width - width * math.log1p(width / curvature)  # makes both parts meet at ``width``
    return mean_over_valid(torch.where(size < width, logarithm, size - offset), valid)


class WingLoss(FunctionLoss):
    """Logarithmic for small errors, L1 for large ones: points that are nearly right still pull strongly.

    A task's coordinates are shares of the picture's longer side; the defaults are the paper's 10 and 2 pixels of 256.

    Formula: mean h, h = width log(1 + |d|/curvature) where |d| < width, else |d| - C, d = p - t, C = width - width
        log(1 + width/curvature)
    Range: [0, ∞)
    Source: Feng et al., Wing Loss for Robust Facial Landmark Localisation, CVPR 2018

    Args:
        width: the error at which the logarithm ends, in the target's units.
        curvature: how strongly the logarithm is bent, in the target's units; the smaller, the stronger the pull of a
            small error.
    """

    values: ClassVar[frozenset[str]] = frozenset({"coordinates"})
    function = staticmethod(wing_loss)

    @checked
    def __init__(
        self, width: Annotated[float, Gt(0)] = 10 / 256, curvature: Annotated[float, Gt(0)] = 2 / 256
    ) -> None:
        super().__init__(width=width, curvature=curvature)
