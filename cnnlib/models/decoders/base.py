"""What decoders have in common: what they are given, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, TypeAlias

from annotated_types import Ge, MaxLen, MinLen
from torch import Tensor, nn

from cnnlib.models.encoders import FeatureSource
from cnnlib.models.layers.timm_layout import Block
from cnnlib.types import CnnlibError

_LEVEL_CHANNELS = (256, 128, 64, 32, 16)
Rates: TypeAlias = Annotated[Sequence[Annotated[int, Ge(1)]], MinLen(3), MaxLen(3)]
"""Dilations of convolutions that stand side by side."""


class Features(NamedTuple):
    """What an encoder gives of one batch."""

    bottom: Tensor
    skips: Sequence[Tensor | None]
    """From fine to coarse, one for each power of two below the bottom's stride; ``None`` where there is no map."""
    blocks: Sequence[Block] = ()
    """Of a vision transformer, where the decoder needs them."""


class MapDecoder(nn.Module):
    """``Features`` -> one map (B, out_channels, h, w), which a head turns into what the task asks for.

    A decoder is built with the encoder, of which it reads what ``FeatureSource`` names, and its own options.

    Attributes:
        out_channels: of its map.
        head_kernel: size of the convolution of the heads behind it.
        needs_blocks: it works on the blocks of a vision transformer.
        normalises_means: it normalises one value per image and channel, which a batch of one image lacks in training.
    """

    head_kernel: ClassVar[int] = 3
    needs_blocks: ClassVar[bool] = False
    normalises_means: ClassVar[bool] = False
    out_channels: int

    @staticmethod
    def multiple(stride: int) -> int:
        """What the image's sides must be multiples of, for an encoder of that stride."""
        return stride

    def forward(self, features: Features) -> Tensor:
        raise NotImplementedError


class LevelDecoder(MapDecoder):
    """A decoder of SMP that goes level by level from the bottom to the image's size."""

    def build(
        self,
        net: Callable[..., nn.Module],
        encoder: FeatureSource,
        channels: Sequence[int] | None,
        **options: Any,
    ) -> None:
        """
        Args:
            net: SMP's class.
            channels: of the levels, from coarse to fine; by default 256, 128, 64, 32, 16.
            options: of ``net``.
        """
        maps = pyramid_channels(encoder)
        widths = level_channels(channels, _LEVEL_CHANNELS, len(maps) - 1)
        self.net = net(maps, widths, n_blocks=len(widths), **options)
        begin_as_smp(self.net)
        self.out_channels = widths[-1]

    def forward(self, features: Features) -> Tensor:
        return self.net(pyramid(features))


def pyramid_channels(encoder: FeatureSource) -> list[int]:
    """Of the encoder's maps from the image's size to the bottom, as SMP's decoders take them.

    Raises:
        CnnlibError: the encoder's stride is no power of two.
    """
    if not encoder.skip_channels:
        raise CnnlibError(
            f"the encoder makes images {encoder.stride} times smaller, which no number of doublings undoes: take the "
            "decoder dpt or segformer, or an encoder whose stride is a power of two, such as resnet34"
        )
    return [*encoder.skip_channels, encoder.out_channels]


def pyramid(features: Features) -> list[Tensor]:
    """The encoder's maps from the image's size to the bottom; one without channels where there is none."""
    bottom = features.bottom
    batch, _, height, width = bottom.shape
    levels = len(features.skips)
    maps = [
        bottom.new_empty(batch, 0, height * 2 ** (levels - level), width * 2 ** (levels - level))
        if skip is None
        else skip
        for level, skip in enumerate(features.skips)
    ]
    return [*maps, bottom]


def level_channels(channels: Sequence[int] | None, default: Sequence[int], levels: int) -> list[int]:
    """Of a decoder's levels, from coarse to fine.

    Args:
        channels: as a configuration has them; ``None``: the last ones of ``default``, the first repeated where there
            are more levels.

    Raises:
        CnnlibError: there are more or fewer than levels.
    """
    if channels is None:
        return [default[0]] * (levels - len(default)) + list(default[-levels:])
    if len(channels) != levels:
        raise CnnlibError(
            f"channels must be {levels} numbers, one for each level of the encoder from coarse to fine; there are "
            f"{len(channels)}"
        )
    return list(channels)


def begin_as_smp(decoder: nn.Module) -> None:
    """Weights as SMP's models begin with."""
    from segmentation_models_pytorch.base.initialization import initialize_decoder

    initialize_decoder(decoder)
