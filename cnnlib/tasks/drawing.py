"""Pictures of dense maps, shared by the tasks."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

_INVALID_GRAY = 128


def color_map(unit: Tensor, name: str) -> Tensor:
    """Values (H, W) in [0, 1] (clamped) to colours, uint8 (3, H, W), with matplotlib's map ``name``."""
    index = (unit.float().nan_to_num(0).clamp(0, 1) * 255).round().long().cpu()
    return _palette(name)[index].permute(2, 0, 1)


def gray_where_invalid(picture: Tensor, valid: Tensor | None) -> Tensor:
    """``picture`` uint8 (3, H, W) with a middle grey wherever ``valid`` (1, H, W) is false."""
    if valid is None:
        return picture
    return torch.where(valid, picture, torch.tensor(_INVALID_GRAY, dtype=torch.uint8))


@cache
def _palette(name: str) -> Tensor:
    """256 colours, uint8 (256, 3)."""
    from matplotlib import colormaps  # heavy, and only pictures need it

    colors = colormaps[name](torch.linspace(0, 1, 256).numpy())[:, :3]
    return torch.from_numpy((colors * 255).round().astype("uint8"))
