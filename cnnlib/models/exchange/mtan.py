"""MTAN: each task attends to the maps of one encoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from cnnlib.checks import checked
from cnnlib.models.decoders import Features, MapDecoder
from cnnlib.models.encoders import FeatureSource
from cnnlib.models.exchange.base import Exchange
from cnnlib.types import CnnlibError, Head


class MTAN(Exchange):
    """Multi-task attention network: one encoder, and for each task and stage a soft mask of the stage's map.

    For task i, the encoder's maps p of the stages j, and the masks a, which are between 0 and 1:

        attended_i[j] = a_i[j] * p[j]
        a_i[j] = sigmoid(BN(h_i[j](relu(BN(g_i[j]([p[j], pool(f[j](attended_i[j - 1]))]))))))

    g and h are 1 x 1 convolutions, a task's own; f is a 3 x 3 convolution with batch normalisation and ReLU, the same
    for all tasks; at the first stage there is p[j] alone. The decoder and the head of a task work on its attended maps.

    Two things differ from the paper, whose net is a SegNet: a mask is computed from the map that it is for (there: from
    the first convolution of the same stage), which every encoder has; and the decoders have no attention.

    Source: Liu, Johns and Davison, End-to-end multi-task learning with attention, CVPR 2019 (arXiv:1803.10704)

    Args:
        reduction: the masks are computed in so many times fewer channels than the stage has.
    """

    @checked
    def __init__(self, heads: Mapping[str, Head], reduction: Annotated[int, Ge(1)] = 1) -> None:
        super().__init__(heads)
        self._reduction = reduction

    def build(self, encoder: FeatureSource, decoder: MapDecoder | None) -> None:
        if decoder is not None and decoder.needs_blocks:
            raise CnnlibError(
                f"mtan attends to the maps that the encoder's stages end with, and {type(decoder).__name__} works on "
                "the blocks of a vision transformer: take the decoder unet or segformer, or the exchange padnet"
            )
        widths = [each for each in encoder.skip_channels if each] + [encoder.out_channels]
        self.attention = nn.ModuleDict(
            {
                task: nn.ModuleList(
                    _attention(width * (1 if stage == 0 else 2), width, self._reduction)
                    for stage, width in enumerate(widths)
                )
                for task in self.tasks
            }
        )
        self.between = nn.ModuleList(_between(fine, coarse) for fine, coarse in pairwise(widths))

    def features(self, features: Features) -> dict[str, Features]:
        return {task: self._attended(features, attention) for task, attention in self.attention.items()}

    def _attended(self, features: Features, attention: nn.ModuleList) -> Features:
        attended: list[Tensor] = []
        for shared in (each for each in (*features.skips, features.bottom) if each is not None):
            seen = shared
            if attended:
                before = self.between[len(attended) - 1](attended[-1])
                # The paper's 2 x 2 max pooling, where the next stage is half the size.
                seen = torch.cat([shared, F.adaptive_max_pool2d(before, shared.shape[2:])], dim=1)
            attended.append(attention[len(attended)](seen) * shared)
        found = iter(attended)
        skips = [None if each is None else next(found) for each in features.skips]
        return Features(next(found), skips)

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        return self.between.parameters()


def _attention(in_channels: int, out_channels: int, reduction: int) -> nn.Sequential:
    hidden = max(1, out_channels // reduction)
    return nn.Sequential(
        nn.Conv2d(in_channels, hidden, kernel_size=1, bias=False),
        nn.BatchNorm2d(hidden),
        nn.ReLU(inplace=True),
        nn.Conv2d(hidden, out_channels, kernel_size=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.Sigmoid(),
    )


def _between(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
