"""MA-Net's decoder, as segmentation-models-pytorch builds it."""

from __future__ import annotations

from torch import Tensor

from cnnlib.checks import checked
from cnnlib.models.base import Channels, Widths
from cnnlib.models.decoders.base import (
    Features,
    MapDecoder,
    begin_as_smp,
    level_channels,
    pyramid,
    pyramid_channels,
)
from cnnlib.models.encoders import FeatureSource

_CHANNELS = (256, 128, 64, 32, 16)


class MAnetDecoder(MapDecoder):
    """U-Net's decoder with attention between places at the bottom, and between channels at every skip.

    Source: Fan et al., MA-Net, IEEE Access 2020; segmentation-models-pytorch

    Args:
        channels: of the levels, from coarse to fine; by default 256, 128, 64, 32, 16.
        attention_channels: in which places are compared at the bottom.
    """

    @checked
    def __init__(
        self, encoder: FeatureSource, channels: Widths | None = None, attention_channels: Channels = 64
    ) -> None:
        super().__init__()
        from segmentation_models_pytorch.decoders.manet.decoder import MAnetDecoder as Net

        maps = pyramid_channels(encoder)
        widths = level_channels(channels, _CHANNELS, len(maps) - 1)
        self.net = Net(maps, widths, n_blocks=len(widths), pab_channels=attention_channels)
        begin_as_smp(self.net)
        self.out_channels = widths[-1]

    def forward(self, features: Features) -> Tensor:
        return self.net(pyramid(features))
