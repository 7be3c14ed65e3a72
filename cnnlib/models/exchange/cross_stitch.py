"""Cross-stitch networks: an encoder per task, and after each stage a weighted sum of all tasks' maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from cnnlib.checks import checked
from cnnlib.models.decoders import Features
from cnnlib.models.exchange.base import Exchange
from cnnlib.models.layers.stitched_encoder import StitchedEncoder
from cnnlib.types import Head


class CrossStitch(Exchange):
    """Each task has an encoder of its own; after each stage its map becomes a weighted sum of all tasks' maps.

    With the maps x of one stage and learned weights w, task i goes on with the sum of ``w[i, j] * x[j]`` over all
    tasks j. Published weights are loaded into each of the encoders. Weights are learned in the encoder's stage that
    they stand behind, at the encoder's learning rate; the paper gives them a higher one.

    Source: Misra et al., Cross-stitch networks for multi-task learning, CVPR 2016 (arXiv:1604.03539)

    Args:
        own: what a task's own map is multiplied by when training begins; the other tasks share the rest of 1 evenly.
        per: weights are learned for each ``channel``, or one for each pair of tasks and ``stage``.
    """

    @checked
    def __init__(
        self,
        heads: Mapping[str, Head],
        own: Annotated[float, Ge(0), Le(1)] = 0.9,
        per: Literal["channel", "stage"] = "channel",
    ) -> None:
        super().__init__(heads)
        self._own, self._per = own, per

    def make_encoder(self, make: Callable[[], nn.Module]) -> StitchedEncoder:
        return StitchedEncoder({task: make() for task in self.tasks}, self._stitch)

    def features(self, features: Features) -> dict[str, Features]:
        count = len(self.tasks)
        bottoms = features.bottom.chunk(count)
        skips = [(None,) * count if each is None else each.chunk(count) for each in features.skips]
        return {
            task: Features(bottom, of_task)
            for task, bottom, *of_task in zip(self.tasks, bottoms, *skips, strict=True)
        }

    def _stitch(self, channels: int, axis: int) -> Stitch:
        return Stitch(len(self.tasks), self._own, channels if self._per == "channel" else 1, axis)


class Stitch(nn.Module):
    """Maps of all tasks, one behind the other in the batch (T B, ...) -> their weighted sums, in the same order.

    Args:
        tasks: T.
        own: weight of a task's own map when training begins.
        channels: of the maps, for weights of each channel; 1 for one weight for all.
        axis: of the channels.
    """

    def __init__(self, tasks: int, own: float, channels: int, axis: int) -> None:
        super().__init__()
        other = (1 - own) / max(1, tasks - 1)
        weight = torch.full((tasks, tasks), other)
        weight.fill_diagonal_(own if tasks > 1 else 1.0)
        self.weight = nn.Parameter(weight[:, :, None].repeat(1, 1, channels))
        self.axis = axis

    def forward(self, maps: Tensor) -> Tensor:
        shape = [1] * maps.ndim
        shape[self.axis] = -1
        parts = maps.chunk(len(self.weight))
        weights = self.weight.to(maps.dtype)  # under autocast the maps stay as small as they are
        return torch.cat(
            [
                sum(weight.view(shape) * part for weight, part in zip(row, parts, strict=True))
                for row in weights
            ]
        )
