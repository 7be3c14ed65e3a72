"""The expanding path."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cnnlib.models.layers.up_block import UpBlock


class Decoder(nn.Module):
    """An ``UpBlock`` per level, from the bottom to the size of the image.

    Args:
        in_channels: of the bottom.
        skip_channels: of the encoder's skips, from fine to coarse; each level has as many.
    """

    def __init__(self, in_channels: int, skip_channels: Sequence[int]) -> None:
        super().__init__()
        widths = skip_channels[::-1]
        self.out_channels = widths[-1]
        self.levels = nn.ModuleList(map(UpBlock, [in_channels, *widths[:-1]], widths, widths))

    def forward(self, bottom: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """The bottom and the skips (from fine to coarse) -> features (B, out, H, W)."""
        x = bottom
        for level, skip in zip(self.levels, reversed(skips), strict=True):
            x = level(x, skip)
        return x
