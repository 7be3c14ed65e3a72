"""MA-Net's decoder, as segmentation-models-pytorch builds it."""

from __future__ import annotations

from cnnlib.checks import checked
from cnnlib.models.base import Channels, Widths
from cnnlib.models.decoders.base import LevelDecoder
from cnnlib.models.encoders import FeatureSource


class MAnetDecoder(LevelDecoder):
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

        self.build(Net, encoder, channels, pab_channels=attention_channels)
