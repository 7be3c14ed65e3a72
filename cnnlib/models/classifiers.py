"""The ankle journal's nets, grown one change at a time: from one that learns a batch to one that generalises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import ClassVar

from torch import Tensor, nn

from cnnlib.checks import checked
from cnnlib.models.base import Channels, DropoutShare, check_batch, check_image, check_vector_heads
from cnnlib.models.initialization import initialize
from cnnlib.models.layers import Dense, FullPrecisionLinear
from cnnlib.types import Head, Outputs

_POSES: Mapping[str, Head] = MappingProxyType({"label": Head("vector", 3)})
_GRID = 4
"""Height and width of what the linear layers see."""
_HIDDEN = (128,)
"""Widths of the linear layers before the output."""


@dataclass(frozen=True)
class Plan:
    """What distinguishes one of the nets from another.

    Attributes:
        widths: channels of the convolutional layers.
        max_pooling: halves height and width behind a layer; without it the layer's convolution has stride 2.
        batch_norm: behind every convolution.
        dropout: share of the linear layers' values that training sets to 0.
    """

    widths: tuple[int, ...]
    max_pooling: bool = False
    batch_norm: bool = False
    dropout: float = 0.0


class ConvLayers(nn.Sequential):
    """3 x 3 convolutions, each with ReLU and half the height and width, rounded up: (B, in, H, W) -> (B, out, h, w).

    Args:
        in_channels: of the image.
        plan: its layers.

    Attributes:
        out_channels: of the last.
        stages: the layers, from the image on.
    """

    def __init__(self, in_channels: int, plan: Plan) -> None:
        super().__init__(
            *[_layer(fine, coarse, plan) for fine, coarse in pairwise([in_channels, *plan.widths])]
        )
        self.out_channels = plan.widths[-1]

    @property
    def stages(self) -> list[nn.Module]:
        return list(self)


def _layer(in_channels: int, out_channels: int, plan: Plan) -> nn.Sequential:
    stride = 1 if plan.max_pooling else 2
    bias = not plan.batch_norm  # the normalisation would take it out again
    layers: list[nn.Module] = [nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=bias)]
    layers += [nn.BatchNorm2d(out_channels)] * plan.batch_norm
    layers += [nn.ReLU(inplace=True)]
    layers += [nn.MaxPool2d(2, ceil_mode=True)] * plan.max_pooling
    return nn.Sequential(*layers)


class Net0(nn.Module):
    """Three convolutions of stride 2 and two linear layers: the smallest that learns one batch by heart.

    Image (B, in_channels, H, W) -> ``{task: (B, channels)}``, for any H and W: the convolutions' result is averaged to
    4 x 4 places, so that the linear layers know where something is, and grow neither with the image nor with fewer
    convolutions. A net that cannot learn one batch has an error or is too small; one that can, has none.

    The journal gives the steps from net to net, but no widths: they were chosen here. All of its nets set their weights
    themselves, so that no run fails by an unlucky start: here as He et al. do (ICCV 2015; normal, biases of 0).

    Args:
        in_channels: channels of the image.
        heads: what each task asks for, vectors alone, in the order in which ``forward`` gives it.

    Raises:
        CnnlibError: no heads, a head that is a map, or a task's name that PyTorch cannot give to a module.
    """

    plan: ClassVar[Plan] = Plan(widths=(16, 32, 64))

    @checked
    def __init__(self, in_channels: Channels = 3, heads: Mapping[str, Head] = _POSES) -> None:
        super().__init__()
        self._build(in_channels, heads, self.plan)

    def _build(self, in_channels: int, heads: Mapping[str, Head], plan: Plan) -> None:
        check_vector_heads(type(self).__name__, heads)
        self.in_channels = in_channels
        self.encoder = ConvLayers(in_channels, plan)
        self.pool = nn.AdaptiveAvgPool2d(_GRID)
        self.dense = Dense(self.encoder.out_channels * _GRID**2, _HIDDEN, plan.dropout)
        self.heads = nn.ModuleDict(
            {
                task: FullPrecisionLinear(self.dense.out_features, head.channels)
                for task, head in heads.items()
            }
        )
        initialize(self, "he")

    def forward(self, image: Tensor) -> Outputs:
        """Raises ``CnnlibError`` for an image that the net cannot take."""
        check_image(image, self.in_channels)
        check_batch(self, image, stride=2 ** len(self.encoder))
        x = self.dense(self.pool(self.encoder(image)))
        return {task: head(x) for task, head in self.heads.items()}

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """Those that every task's output depends on."""
        return (value for name, value in self.named_parameters() if not name.startswith("heads."))


class Net1(Net0):
    """``Net0`` with a fourth convolution: on the way to a net that learns the whole training set by heart, which one
    for a batch is too small for.

    Args:
        in_channels, heads: as of ``Net0``.
    """

    plan = replace(Net0.plan, widths=(*Net0.plan.widths, 64))


class Net2(Net1):
    """``Net1`` with a fifth convolution: large enough for the whole training set, so what is missing from now on is not
    size but generalisation.

    Args:
        in_channels, heads: as of ``Net0``.
    """

    plan = replace(Net1.plan, widths=(*Net1.plan.widths, 128))


class Net3(Net2):
    """``Net2`` with max pooling in place of stride 2, against overfitting: a maximum stays when a detail moves by a
    pixel, and every place is looked at.

    Args:
        in_channels, heads: as of ``Net0``.
    """

    plan = replace(Net2.plan, max_pooling=True)


class Net4(Net3):
    """``Net3`` with batch normalisation: it trains faster, and the noise of the batches' statistics regularises.

    Args:
        in_channels, heads: as of ``Net0``.
    """

    plan = replace(Net3.plan, batch_norm=True)


class Net5(Net4):
    """``Net4`` with dropout in the linear layers, where most of its parameters are.

    Args:
        in_channels, heads: as of ``Net0``.
        dropout: share of the linear layers' values that training sets to 0.
    """

    plan = replace(Net4.plan, dropout=0.2)

    @checked
    def __init__(
        self,
        in_channels: Channels = 3,
        heads: Mapping[str, Head] = _POSES,
        dropout: DropoutShare = plan.dropout,
    ) -> None:
        nn.Module.__init__(self)
        self._build(in_channels, heads, replace(self.plan, dropout=dropout))


class Net6(Net5):
    """``Net5`` with one convolution fewer: by then the journal's nets had become larger than its data.

    Args:
        in_channels, heads: as of ``Net0``.
        dropout: share of the linear layers' values that training sets to 0.
    """

    plan = replace(Net5.plan, widths=Net5.plan.widths[:-1])
