"""The feature pyramid's decoder, as segmentation-models-pytorch builds it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, MultipleOf
from torch import Tensor

from cnnlib.checks import checked
from cnnlib.models.base import Channels, DropoutShare
from cnnlib.models.decoders.base import Features, MapDecoder, begin_as_smp, pyramid, pyramid_channels
from cnnlib.models.encoders import FeatureSource
from cnnlib.types import CnnlibError

_LEVELS = 4
Grouped: TypeAlias = Annotated[int, Ge(64), MultipleOf(32)]
"""Normalised in 32 groups of channels; PyTorch refuses groups of a single value."""


class FPNDecoder(MapDecoder):
    """A pyramid of four levels, from coarse to fine; their sum, at the size of the finest.

    Sources: Lin et al., Feature pyramid networks, CVPR 2017 (arXiv:1612.03144); Kirillov et al., Panoptic feature
    pyramid networks, CVPR 2019 (arXiv:1901.02446); segmentation-models-pytorch

    Args:
        pyramid_channels: of the pyramid's levels.
        channels: of the map, a multiple of 32 from 64 on.
        dropout: share of the map's channels that training sets to 0.
        merge: the levels are added up (``add``) or put one after the other (``cat``).
    """

    head_kernel = 1

    @checked
    def __init__(
        self,
        encoder: FeatureSource,
        pyramid_channels: Channels = 256,
        channels: Grouped = 128,
        dropout: DropoutShare = 0.2,
        merge: Literal["add", "cat"] = "add",
    ) -> None:
        super().__init__()
        from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder as Net

        maps = _four_levels(encoder)
        self.net = Net(
            maps,
            encoder_depth=len(maps) - 1,
            pyramid_channels=pyramid_channels,
            segmentation_channels=channels,
            dropout=dropout,
            merge_policy=merge,
        )
        begin_as_smp(self.net)
        self.out_channels = self.net.out_channels

    def forward(self, features: Features) -> Tensor:
        return self.net(pyramid(features))


def _four_levels(encoder: FeatureSource) -> list[int]:
    maps = pyramid_channels(encoder)
    if len(maps) < _LEVELS or 0 in maps[-_LEVELS:]:
        raise CnnlibError(
            f"fpn needs the encoder's maps of four strides, each twice the one before; this one, of stride "
            f"{encoder.stride}, lacks some: take the decoder unet or segformer (dpt for a vision transformer), or an "
            "encoder such as resnet34"
        )
    return maps
