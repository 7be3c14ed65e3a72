"""The face journal's net, and a lean one in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from torch import Tensor, nn

from cnnlib.checks import checked
from cnnlib.models.base import Channels, DropoutShare, Sides, Widths
from cnnlib.models.fixed_size import FixedSizeModel
from cnnlib.models.initialization import Initialization, initialize
from cnnlib.models.layers import SequentialEncoder
from cnnlib.types import Head

_FACE: Mapping[str, Head] = MappingProxyType({"face": Head("vector", 136)})


class FacialNetwork(FixedSizeModel):
    """The face journal's net, very large by default, for images of one size.

    Image (B, in_channels, *size) -> ``{task: (B, channels)}``. With its defaults it is the net of the journal, from a
    grey face of 224 x 224 to x and y of 68 points, with 175,859,416 parameters. In float32 these take 0.7 GB; training
    with Adam takes four times that (weights, gradients, two averages), and more for the batch.

    =============== ==================
    c1 block        (B, 32, 110, 110)
    c2 block        (B, 64, 53, 53)
    c3 block        (B, 128, 24, 24)
    c4 block        (B, 256, 10, 10)
    flatten         (B, 25600)
    l1 block        (B, 6400)
    l2 block        (B, 1600)
    l3 block        (B, 400)
    output          (B, 136)
    =============== ==================

    A convolutional block is a 5 x 5 convolution without padding, max pooling by 2, ReLU and dropout; a linear block
    has no pooling.

    Args:
        in_channels: channels of the image.
        heads: what each task asks for, vectors alone, in the order in which ``forward`` gives it.
        size: height and width of the images.
        widths: channels of the convolutional blocks.
        hidden: widths of the linear blocks.
        dropout: share of each block's values that training sets to 0.
        initialization: how the weights start. ``pytorch``: as PyTorch makes them; ``xavier`` (uniform; Glorot and
            Bengio, 2010) and ``he`` (normal; He et al., 2015): with biases of 0.

    Raises:
        CnnlibError: no heads, a head that is a map, a task's name that PyTorch cannot give to a module, or a size
            that is too small for the convolutions.
    """

    @checked
    def __init__(
        self,
        in_channels: Channels = 1,
        heads: Mapping[str, Head] = _FACE,
        size: Sides = (224, 224),
        widths: Widths = (32, 64, 128, 256),
        hidden: Sequence[Channels] = (6400, 1600, 400),
        dropout: DropoutShare = 0.5,
        initialization: Initialization = "pytorch",
    ) -> None:
        super().__init__(in_channels, heads, size, least_side=_least_side(len(widths)))
        self.encoder = SequentialEncoder(
            *[
                nn.Sequential(
                    nn.Conv2d(fine, coarse, kernel_size=5),
                    nn.MaxPool2d(2),
                    nn.ReLU(inplace=True),
                    nn.Dropout(dropout),
                )
                for fine, coarse in pairwise([in_channels, *widths])
            ]
        )
        height, width = (_side_after(side, len(widths)) for side in size)
        self._add_linear_layers(widths[-1] * height * width, hidden, dropout, heads)
        initialize(self, initialization)

    def features(self, image: Tensor) -> Tensor:
        return self.encoder(image)


def _side_after(side: int, blocks: int) -> int:
    for _ in range(blocks):
        side = (side - 4) // 2
    return side


def _least_side(blocks: int) -> int:
    side = 1
    for _ in range(blocks):
        side = 2 * side + 4
    return side


class FacialNetworkLite(FixedSizeModel):
    """A hundredth of ``FacialNetwork``, with the same inputs and outputs: 1,830,584 parameters by default.

    Image (B, in_channels, *size) -> ``{task: (B, channels)}``, for images of one size. A block is a 3 x 3
    convolution with padding, batch normalisation, ReLU and max pooling by 2; dropout stands behind the linear layers
    alone.

    Args:
        in_channels: channels of the image.
        heads: what each task asks for, vectors alone, in the order in which ``forward`` gives it.
        size: height and width of the images.
        widths: channels of the convolutional blocks.
        hidden: widths of the linear layers before the output.
        dropout: share of the linear layers' values that training sets to 0.
        initialization: how the weights start, as in ``FacialNetwork``.

    Raises:
        CnnlibError: no heads, a head that is a map, a task's name that PyTorch cannot give to a module, or a size
            that is too small for the pooling.
    """

    @checked
    def __init__(
        self,
        in_channels: Channels = 1,
        heads: Mapping[str, Head] = _FACE,
        size: Sides = (224, 224),
        widths: Widths = (16, 32, 64, 96, 128),
        hidden: Sequence[Channels] = (256,),
        dropout: DropoutShare = 0.2,
        initialization: Initialization = "pytorch",
    ) -> None:
        stride = 2 ** len(widths)
        super().__init__(in_channels, heads, size, least_side=stride)
        self.encoder = SequentialEncoder(
            *[
                nn.Sequential(
                    nn.Conv2d(fine, coarse, kernel_size=3, padding=1, bias=False),
                    nn.BatchNorm2d(coarse),
                    nn.ReLU(inplace=True),
                    nn.MaxPool2d(2),
                )
                for fine, coarse in pairwise([in_channels, *widths])
            ]
        )
        height, width = (side // stride for side in size)
        self._add_linear_layers(widths[-1] * height * width, hidden, dropout, heads)
        initialize(self, initialization)

    def features(self, image: Tensor) -> Tensor:
        return self.encoder(image)
