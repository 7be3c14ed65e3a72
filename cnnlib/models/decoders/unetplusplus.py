"""U-Net++'s decoder, as segmentation-models-pytorch builds it."""

from __future__ import annotations

from typing import Literal

from cnnlib.checks import checked
from cnnlib.models.base import Widths
from cnnlib.models.decoders.base import LevelDecoder, pyramid_channels
from cnnlib.models.encoders import FeatureSource
from cnnlib.types import CnnlibError

_FIRST = 2  # the level of stride 4


class UnetPlusPlusDecoder(LevelDecoder):
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

        if 0 in pyramid_channels(encoder)[_FIRST:]:
            raise CnnlibError(
                "unetplusplus needs the encoder's maps of all strides from 4 on; this one, of stride "
                f"{encoder.stride}, lacks some: take the decoder unet (dpt for a vision transformer), or an encoder "
                "such as resnet34"
            )
        self.build(Net, encoder, channels, attention_type=attention)
