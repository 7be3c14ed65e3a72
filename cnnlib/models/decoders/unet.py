"""U-Net's decoder, as segmentation-models-pytorch builds it."""

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

_CHANNELS = (256, 128, 64, 32, 16)


class UnetDecoder(MapDecoder):
    """Doubles the size, joins the encoder's map and convolves, level by level, to the image's size.

    Source: Ronneberger et al., U-Net, MICCAI 2015 (arXiv:1505.04597); segmentation-models-pytorch

    Args:
        channels: of the levels, from coarse to fine; by default 256, 128, 64, 32, 16.
        attention: ``scse`` weighs channels and places in every level (Roy et al., arXiv:1808.08127).
        center: two convolutions at the bottom, as SMP has them for ``vgg``.
    """

    @checked
    def __init__(
        self,
        encoder: FeatureSource,
        channels: Widths | None = None,
        attention: Literal["scse"] | None = None,
        center: bool = False,
    ) -> None:
        super().__init__()
        from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder as Net

        maps = pyramid_channels(encoder)
        widths = level_channels(channels, _CHANNELS, len(maps) - 1)
        self.net = Net(maps, widths, n_blocks=len(widths), attention_type=attention, add_center_block=center)
        begin_as_smp(self.net)
        self.out_channels = widths[-1]

    def forward(self, features: Features) -> Tensor:
        return self.net(pyramid(features))
