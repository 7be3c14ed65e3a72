"""An encoder whose stages follow each other, and nothing else."""

from __future__ import annotations

from torch import nn


class SequentialEncoder(nn.Sequential):
    """Image (B, in, H, W) -> (B, out, h, w), through its stages one by one."""

    @property
    def stages(self) -> list[nn.Module]:
        """From the image to the bottom; each parameter is in one of them."""
        return list(self)
