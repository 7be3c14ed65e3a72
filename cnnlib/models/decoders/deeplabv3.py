"""DeepLabV3's decoder, as segmentation-models-pytorch builds it."""

from __future__ import annotations

from torch import Tensor

from cnnlib.checks import checked
from cnnlib.models.base import Channels, DropoutShare
from cnnlib.models.decoders.base import Features, MapDecoder, Rates, begin_as_smp
from cnnlib.models.encoders import FeatureSource


class DeepLabV3Decoder(MapDecoder):
    """Convolutions of several dilations on the bottom (ASPP), and a convolution; the encoder's finer maps are not read.

    The paper's encoder is dilated to a stride of 8 or 16: ``encoder: {name: resnet50, output_stride: 8}``. With that it
    is the head of LibMTL's benchmarks, which call it DeepLabV3+ (``examples/nyu/aspp.py``).

    Source: Chen et al., Rethinking atrous convolution for semantic image segmentation, 2017 (arXiv:1706.05587);
    segmentation-models-pytorch

    Args:
        channels: of the map.
        atrous_rates: of the dilated convolutions.
        dropout: share of what leaves the dilated convolutions that training sets to 0.
    """

    head_kernel = 1
    normalises_means = True

    @checked
    def __init__(
        self,
        encoder: FeatureSource,
        channels: Channels = 256,
        atrous_rates: Rates = (12, 24, 36),
        dropout: DropoutShare = 0.5,
    ) -> None:
        super().__init__()
        from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3Decoder as Net

        self.net = Net(
            encoder.out_channels, channels, atrous_rates, aspp_separable=False, aspp_dropout=dropout
        )
        begin_as_smp(self.net)
        self.out_channels = channels

    def forward(self, features: Features) -> Tensor:
        return self.net([features.bottom])
