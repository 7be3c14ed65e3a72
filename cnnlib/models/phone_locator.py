"""The phone journal's nets: an encoder with Shake-Shake, and three ways to say where the phone is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias

from annotated_types import MaxLen, MinLen
from torch import Tensor, nn

from cnnlib.checks import checked
from cnnlib.models.base import Channels, DropoutShare, Sides
from cnnlib.models.encoder_decoder import EncoderDecoder
from cnnlib.models.fixed_size import FixedSizeModel
from cnnlib.models.layers import ConvHead, ShakeShakeEncoder
from cnnlib.types import Head

_PHONE: Mapping[str, Head] = MappingProxyType({"phone": Head("vector", 2)})

EncoderWidths: TypeAlias = Annotated[Sequence[Channels], MinLen(2), MaxLen(12)]


class PhoneLocator(EncoderDecoder):
    """The phone journal's fully convolutional net, or with maps a U-Net, for images of any size.

    Image (B, in_channels, H, W) -> ``{task: (B, channels, H, W) or (B, channels)}``. With its defaults it is the net of
    the journal, block for block:

    ============= ======= ==================
    VGG           Conv1   (B, 32, 320, 480)
    down-sampling DConv1  (B, 64, 160, 240)
    ResNet-v2     Conv2   (B, 64, 160, 240)
    down-sampling DConv2  (B, 128, 80, 120)
    ResNet-v2     Conv3   (B, 128, 80, 120)
    down-sampling DConv3  (B, 256, 40, 60)
    ResNet-v2     Conv4   (B, 256, 40, 60)
    down-sampling DConv4  (B, 512, 20, 30)
    Conv2d        Convfc  (B, 2)
    ============= ======= ==================

    These are 4,688,290 parameters. The journal gives no kernels: here they are 3 x 3, as in VGG and ResNet. Its table
    halves the size four times, its text five times: the fifth is ``Convfc``, of stride 2, whose mean over the picture
    is the vector. The ResNet-v2 blocks mix two branches by ``ShakeShake``. A head that is a map has a ``Decoder`` with
    the encoder's skips: the U-Net for heatmaps that the journal begins with.

    A mean forgets places: a vector can show where an object is only by the picture's border, and with the default
    widths only where that lies less than 90 pixels from the object. Give such a net small images (about 100 pixels a
    side), or ask for maps, or take ``PhoneLocatorDNN``.

    Images whose sides are no multiples of 32 are padded at the right and at the bottom by repeating their last column
    and row, and the maps are cropped to the image's size again.

    Args:
        in_channels: channels of the image.
        heads: what each task asks for, in the order in which ``forward`` gives it.
        widths: channels after the VGG block and after each down-sampling. The image is padded to multiples of
            ``2 ** len(widths)``.
        dropout: share of the bottom's channels that training sets to 0; whole channels, since neighbours in a map
            hold the same.
        map_stride: maps are so many times smaller than the image.

    Raises:
        CnnlibError: no heads, a task's name that PyTorch cannot give to a module, or a ``map_stride`` that the widths
            do not reach.
    """

    @checked
    def __init__(
        self,
        in_channels: Channels = 3,
        heads: Mapping[str, Head] = _PHONE,
        widths: EncoderWidths = (32, 64, 128, 256, 512),
        dropout: DropoutShare = 0.1,
        map_stride: Literal[1, 2, 4] = 1,
    ) -> None:
        encoder = ShakeShakeEncoder(in_channels, widths)
        super().__init__(in_channels, heads, encoder, ConvHead, 2 ** len(widths), map_stride)
        self.dropout = nn.Dropout2d(dropout)

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        bottom, skips = super().encode(image)
        return self.dropout(bottom), skips


class PhoneLocatorDNN(FixedSizeModel):
    """The phone journal's "backbone and DNN": linear layers behind the encoder of ``PhoneLocator``, for one size.

    Image (B, in_channels, *size) -> ``{task: (B, channels)}``. The linear layers have a weight for every place in the
    picture: they know where something is, and take no other size. 44,001,058 parameters by default.

    Args:
        in_channels: channels of the image.
        heads: what each task asks for, vectors alone, in the order in which ``forward`` gives it.
        size: height and width of the images.
        widths: channels after the VGG block and after each down-sampling.
        hidden: widths of the linear layers before the last.
        dropout: share of the bottom's channels, and of the linear layers' values, that training sets to 0.

    Raises:
        CnnlibError: no heads, a head that is a map, a task's name that PyTorch cannot give to a module, or a size
            that is too small for the down-sampling.
    """

    @checked
    def __init__(
        self,
        in_channels: Channels = 3,
        heads: Mapping[str, Head] = _PHONE,
        size: Sides = (320, 480),
        widths: EncoderWidths = (32, 64, 128, 256, 512),
        hidden: Sequence[Channels] = (128,),
        dropout: DropoutShare = 0.1,
    ) -> None:
        super().__init__(in_channels, heads, size, least_side=2 ** len(widths))
        self.encoder = ShakeShakeEncoder(in_channels, widths)
        self.dropout = nn.Dropout2d(dropout)
        height, width = (ceil(side / self.encoder.stride) for side in size)
        self._add_linear_layers(self.encoder.out_channels * height * width, hidden, dropout, heads)

    def features(self, image: Tensor) -> Tensor:
        bottom, _ = self.encoder(image)
        return self.dropout(bottom)
