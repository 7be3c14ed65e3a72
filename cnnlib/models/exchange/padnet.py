"""PAD-Net: intermediate predictions of all tasks, distilled into the final ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from cnnlib.checks import checked
from cnnlib.models.decoders import MapDecoder
from cnnlib.models.encoders import FeatureSource
from cnnlib.models.exchange.base import Exchange, Maps
from cnnlib.types import CnnlibError, Head


class PADNet(Exchange):
    """Prediction and distillation: each task predicts once, takes over what the other tasks know, and predicts again.

    Of the decoded map of each task a 1 x 1 convolution makes a first prediction; map and prediction together, through a
    3 x 3 convolution and ReLU, are the task's features F. Then, with a gate of task k's own and a message from each
    other task t (the paper's module C, attention-guided message passing),

        G[k] = sigmoid(gate[k](F[k]))
        distilled[k] = F[k] + sum of G[k] * message[k, t](F[t]) over t != k

    where gate and message are 3 x 3 convolutions. A last convolution with batch normalisation and ReLU leads to the
    task's head. First predictions are trained on the same targets by the same losses as the final ones, as in the
    paper; outside of training they are not given.

    It differs from the paper in three things: the features F are made from the map and the first prediction, where the
    paper passes on features of the first prediction alone; the decoders of ``multi_task`` stand before the first
    predictions, where the paper has them behind the distillation; and the auxiliary tasks are those of the experiment
    (give a task's targets to have it help). Vectors take no part.

    Source: Xu, Ouyang, Wang and Sebe, PAD-Net, CVPR 2018 (arXiv:1805.04409)
    """

    joins_maps = True

    @checked
    def __init__(self, heads: Mapping[str, Head]) -> None:
        super().__init__(heads)
        self._channels = {task: head.channels for task, head in heads.items() if head.shape == "map"}

    def build(self, encoder: FeatureSource, decoder: MapDecoder | None) -> None:
        if decoder is None:
            raise CnnlibError("padnet exchanges between maps, and no task asks for one: leave exchange out")
        width = decoder.out_channels
        self.first = nn.ModuleDict({task: _First(width, each) for task, each in self._channels.items()})
        self.distillation = nn.ModuleDict(
            {task: _Distillation(width, task, tuple(self._channels)) for task in self._channels}
        )

    def maps(self, maps: Maps) -> tuple[Maps, Maps]:
        first, known = {}, {}
        for task, each in maps.items():
            first[task], known[task] = self.first[task](each)
        return {task: self.distillation[task](known) for task in maps}, first

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        return self.first.parameters()


class _First(nn.Module):
    """From the decoded map of a task to its first prediction, and to the features that the other tasks distil from."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.prediction = nn.Conv2d(width, channels, kernel_size=1)
        self.features = nn.Sequential(_conv(width + channels, width), nn.ReLU(inplace=True))

    def forward(self, map_: Tensor) -> tuple[Tensor, Tensor]:
        prediction = self.prediction(map_)
        return prediction, self.features(torch.cat([map_, prediction], dim=1))


class _Distillation(nn.Module):
    """From the features of all tasks to those of one, ``task``."""

    def __init__(self, width: int, task: str, tasks: tuple[str, ...]) -> None:
        super().__init__()
        self.task = task
        self.messages = nn.ModuleDict({each: _conv(width, width) for each in tasks if each != task})
        if self.messages:
            self.gate = _conv(width, width)
        self.tail = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )

    def forward(self, known: Maps) -> Tensor:
        own = known[self.task]
        if not self.messages:
            return self.tail(own)
        received = sum(message(known[other]) for other, message in self.messages.items())
        return self.tail(own + self.gate(own).sigmoid() * received)


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
