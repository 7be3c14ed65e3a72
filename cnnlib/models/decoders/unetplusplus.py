"""U-Net++'s decoder, as segmentation-models-pytorch builds it."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from cnnlib.checks import checked
from cnnlib.models.base import Widths
from cnnlib.models.decoders.base import (
    Features,
    MapDecoder,
    begin_as_smp,
    level_channels,
    pyramid,
    pyramid_channels,
)
from cnnlib.models.encoders import FeatureSource
from cnnlib.types import CnnlibError

_CHANNELS = (256, 128, 64, 32, 16)
_FIRST = 2  # the level of stride 4


class UnetPlusPlusDecoder(MapDecoder):
    """U-Net's decoder with nested, dense skips.

    Source: Zhou et al., UNet++, DLMIA 2018 (arXiv:1807.10165); segmentation-models-pytorch

    Args:
        channels: of the levels, from coarse to fine; by default 256, 128, 64, 32, 16.
        attention: ``scse`` weighs channels and places in every block.
    """

    @checked
    def __init__(
        self,
        encoder: FeatureSource,
        channels: Widths | None = None,
        attention: Literal["scse"] | None = None,
    ) -> None:
        super().__init__()
        from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder as Net

        maps = pyramid_channels(encoder)
        if 0 in maps[_FIRST:]:
            raise CnnlibError(
                "unetplusplus needs the encoder's maps of all strides from 4 on; this one, of stride "
                f"{encoder.stride}, lacks some: take the decoder unet (dpt for a vision transformer), or an encoder "
                "such as resnet34"
            )
        widths = level_channels(channels, _CHANNELS, len(maps) - 1)
        self.net = Net(maps, widths, n_blocks=len(widths), attention_type=attention)
        begin_as_smp(self.net)
        self.out_channels = widths[-1]

    def forward(self, features: Features) -> Tensor:
        return self.net(pyramid(features))
