"""ResUNet's decoder."""

from __future__ import annotations

from torch import Tensor

from cnnlib.checks import checked
from cnnlib.models.base import Widths
from cnnlib.models.decoders.base import Features, MapDecoder, pyramid_channels
from cnnlib.models.encoders import FeatureSource
from cnnlib.models.layers import Decoder
from cnnlib.models.layers.decoder import bounded_widths
from cnnlib.types import CnnlibError


class ResUNetDecoder(MapDecoder):
    """An ``UpBlock`` per level, from the bottom to the image's size.

    Args:
        channels: of the levels, from coarse to fine; by default those of the encoder's skips, within 16 and 256.
    """

    head_kernel = 1

    @checked
    def __init__(self, encoder: FeatureSource, channels: Widths | None = None) -> None:
        super().__init__()
        levels = len(pyramid_channels(encoder)) - 1
        if channels is not None and len(channels) != levels:
            raise CnnlibError(
                f"channels must be {levels} numbers, one for each level of the encoder from coarse to fine; there are "
                f"{len(channels)}"
            )
        widths = bounded_widths(encoder.skip_channels) if channels is None else channels[::-1]
        self.net = Decoder(encoder.out_channels, encoder.skip_channels, widths)
        self.out_channels = self.net.out_channels

    def forward(self, features: Features) -> Tensor:
        return self.net(features.bottom, features.skips)
