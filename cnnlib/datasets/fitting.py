"""Bringing pictures of any shape to one size, and what that does to their targets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlib.types import CnnlibError, Fit, Size, Target


def check_fit(fit: Fit, size: int | None) -> None:
    """Raises ``CnnlibError`` where pictures are to be padded to no size."""
    if fit == "pad" and size is None:
        raise CnnlibError("fit: pad needs size, the side of the square that pictures are brought to")


def fitted_size(stored: Size, size: int | None, fit: Fit) -> Size:
    """The size that a picture itself takes in a sample of ``size`` x ``size``; ``None``: the size that it has.

    ``stretch`` fills the sample; ``pad`` keeps the picture's shape: its longer side becomes ``size``.
    """
    if size is None:
        return stored
    if fit == "stretch":
        return size, size
    longer = max(stored)
    height, width = (max(1, round(side * size / longer)) for side in stored)
    return height, width


def padded(maps: Tensor, size: Size) -> Tensor:
    """(..., h, w) with zeros (False) at the right and at the bottom, (..., H, W): places keep their coordinates."""
    height, width = size[0] - maps.shape[-2], size[1] - maps.shape[-1]
    return F.pad(maps, (0, width, 0, height)) if height or width else maps


def padded_target(target: Target, size: Size) -> Target:
    """The target of a picture that was ``padded``: a map is not valid in the padding; other values stay."""
    value, valid = target
    if value.ndim < 3 or tuple(value.shape[-2:]) == tuple(size):
        return target
    valid = torch.ones_like(value[:1], dtype=torch.bool) if valid is None else valid
    return Target(padded(value, size), padded(valid, size))
