"""SegFormer's decoder, as segmentation-models-pytorch builds it."""

from __future__ import annotations

from torch import Tensor

from cnnlib.checks import checked
from cnnlib.models.base import Channels
from cnnlib.models.decoders.base import Features, MapDecoder, begin_as_smp
from cnnlib.models.encoders import FeatureSource


class SegformerDecoder(MapDecoder):
    """A linear layer on each of the encoder's maps, all enlarged to a quarter of the image's size and mixed.

    It takes encoders of any stride. The encoder's map of the image's own size is not used.

    Source: Xie et al., SegFormer, NeurIPS 2021 (arXiv:2105.15203); segmentation-models-pytorch

    Args:
        channels: of the map.
    """

    head_kernel = 1

    @checked
    def __init__(self, encoder: FeatureSource, channels: Channels = 256) -> None:
        super().__init__()
        from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder as Net

        maps = [each for each in encoder.skip_channels[1:] if each] + [encoder.out_channels]
        self._stride = encoder.stride
        self.net = Net([1, *maps], encoder_depth=5, segmentation_channels=channels)
        begin_as_smp(self.net)
        self.out_channels = channels

    def forward(self, features: Features) -> Tensor:
        bottom = features.bottom
        height, width = (side * self._stride for side in bottom.shape[2:])
        of_the_images_size = bottom.new_empty(1, 1, height, width)  # of which SMP reads the shape
        maps = [each for each in features.skips[1:] if each is not None]
        return self.net([of_the_images_size, *maps, bottom])
