"""DeepLabV3+'s decoder, as segmentation-models-pytorch builds it."""

from __future__ import annotations

from torch import Tensor, nn

from cnnlib.checks import checked
from cnnlib.models.base import Channels, DropoutShare
from cnnlib.models.decoders.base import Features, MapDecoder, Rates, begin_as_smp, pyramid, pyramid_channels
from cnnlib.models.encoders import FeatureSource
from cnnlib.types import CnnlibError

_FINE = 2  # the level of stride 4


class DeepLabV3PlusDecoder(MapDecoder):
    """Convolutions of several dilations on the bottom, joined with the encoder's map of stride 4.

    The paper's encoder is dilated to a stride of 16 or 8: ``encoder: {name: resnet34, output_stride: 16}``. For an
    encoder of stride 32 the bottom is enlarged eight times.

    Source: Chen et al., Encoder-decoder with atrous separable convolution, ECCV 2018 (arXiv:1802.02611);
    segmentation-models-pytorch

    Args:
        channels: of the map.
        atrous_rates: of the dilated convolutions.
        dropout: share of what enters the decoder's second half that training sets to 0.
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
        from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder as Net

        maps = pyramid_channels(encoder)
        if len(maps) <= _FINE + 1 or maps[_FINE] == 0:
            raise CnnlibError(
                f"deeplabv3plus needs the encoder's map of stride 4, and this one, of stride {encoder.stride}, has "
                "none: take the decoder unet or segformer (dpt for a vision transformer), or an encoder such as "
                "resnet34"
            )
        self.net = Net(
            maps,
            encoder_depth=5,
            out_channels=channels,
            atrous_rates=atrous_rates,
            output_stride=16,
            aspp_separable=True,
            aspp_dropout=dropout,
        )
        if encoder.stride != 16:
            self.net.up = nn.Upsample(
                scale_factor=encoder.stride / 2**_FINE, mode="bilinear", align_corners=True
            )
        begin_as_smp(self.net)
        self.out_channels = channels

    def forward(self, features: Features) -> Tensor:
        return self.net(pyramid(features))
