"""The expanding path."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cnnlib.models.layers.up_block import UpBlock

_LEAST_WIDTH, _MOST_WIDTH = 16, 256


class Decoder(nn.Module):
    """An ``UpBlock`` per level, from the bottom to the size of the image.

    Args:
        in_channels: of the bottom.
        skip_channels: of the encoder's skips, from fine to coarse; 0 for a level without.
        widths: channels of the levels, from fine to coarse; by default those of the skips.
    """

    def __init__(
        self, in_channels: int, skip_channels: Sequence[int], widths: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        skip_channels = skip_channels[::-1]
        widths = skip_channels if widths is None else widths[::-1]
        self.out_channels = widths[-1]
        self.levels = nn.ModuleList(map(UpBlock, [in_channels, *widths[:-1]], skip_channels, widths))

    def forward(self, bottom: Tensor, skips: Sequence[Tensor | None]) -> Tensor:
        """The bottom and the skips (from fine to coarse) -> features (B, out, H, W)."""
        x = bottom
        for level, skip in zip(self.levels, reversed(skips), strict=True):
            x = level(x, skip)
        return x


def bounded_widths(skip_channels: Sequence[int]) -> list[int]:
    """Widths of the levels, from fine to coarse: the skip's channels, within bounds; without a skip half of those of
    the level before. Nets of timm have up to thousands of channels, which no map needs.
    """
    widths: list[int] = []
    for channels in reversed(skip_channels):
        wanted = channels or (widths[-1] // 2 if widths else _MOST_WIDTH)
        widths.append(min(max(wanted, _LEAST_WIDTH), _MOST_WIDTH))
    return widths[::-1]
