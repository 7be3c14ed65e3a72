"""U-Net's decoder, as segmentation-models-pytorch builds it."""

from __future__ import annotations

from typing import Literal

from cnnlib.checks import checked
from cnnlib.models.base import Widths
from cnnlib.models.decoders.base import LevelDecoder
from cnnlib.models.encoders import FeatureSource


class UnetDecoder(LevelDecoder):
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

        self.build(Net, encoder, channels, attention_type=attention, add_center_block=center)
