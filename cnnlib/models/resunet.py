"""The journal's net: a U-Net with residual blocks in the encoder and one decoder per map."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from cnnlib.checks import checked
from cnnlib.models.base import Channels, Widths
from cnnlib.models.encoder_decoder import EncoderDecoder
from cnnlib.models.layers import Encoder, VectorHead
from cnnlib.types import Head

_MASK_AND_DEPTH: Mapping[str, Head] = MappingProxyType({"mask": Head("map", 1), "depth": Head("map", 1)})


class ResUNet(EncoderDecoder):
    """Image (B, in_channels, H, W) -> ``{task: (B, channels, H, W) or (B, channels)}``, for any H and W.

    With its defaults it is the journal's net, layer for layer: 11,033,922 parameters. The encoder follows
    Diakogiannis et al., "ResUNet-a", 2019 (arXiv:1904.00592) in spirit: residual blocks, each followed by
    max pooling. A ``DoubleConv`` of twice the last width stands at the bottom. Every map has a decoder of its own,
    which upsamples (bilinear, ``align_corners=True``), joins the skip of its level and convolves; every vector is
    computed from the bottom by a ``VectorHead``.

    Images whose sides are no multiples of the encoder's stride (2 per level) are padded at the right and at the bottom
    by repeating their last column and row, and the maps are cropped to the image's size again.

    Args:
        in_channels: channels of the image: 6 for a background and a foreground on it.
        heads: what each task asks for, in the order in which ``forward`` gives it.
        widths: channels of the encoder's levels, from fine to coarse; there may be any number of levels.
        map_stride: maps are so many times smaller than the image: heatmaps of points need not be finer, and cost most
            of the time at full size. Tasks with a value for every pixel need 1.

    Raises:
        CnnlibError: no heads, a task's name that PyTorch cannot give to a module, or a ``map_stride`` that the widths
            do not reach.
    """

    @checked
    def __init__(
        self,
        in_channels: Channels = 6,
        heads: Mapping[str, Head] = _MASK_AND_DEPTH,
        widths: Widths = (32, 64, 128, 256),
        map_stride: Literal[1, 2, 4] = 1,
    ) -> None:
        encoder = Encoder(in_channels, widths)
        super().__init__(in_channels, heads, encoder, VectorHead, encoder.stride, map_stride)


class ResUNetLite(ResUNet):
    """A ``ResUNet`` of two levels: a quarter of the parameters, 2,634,882 by default."""

    @checked
    def __init__(
        self,
        in_channels: Channels = 6,
        heads: Mapping[str, Head] = _MASK_AND_DEPTH,
        widths: Widths = (64, 128),
    ) -> None:
        super().__init__(in_channels, heads, widths)
