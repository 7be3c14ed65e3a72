"""What two ways to train have in common when they are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

LEARNING_RATE = 0.002


@dataclass(frozen=True)
class Recipe:
    """How a mask is trained on scenes.

    Attributes:
        size: image side.
        train, val: scenes.
        precision: as Lightning names it.
        workers: processes that load the data of each split.
    """

    size: int
    train: int
    val: int
    batch_size: int
    epochs: int
    precision: str
    workers: int = 1

    @property
    def images(self) -> int:
        """That an epoch trains on: both leave out a last batch that is not full."""
        return self.train // self.batch_size * self.batch_size or self.train

    @property
    def scenes(self) -> dict[str, int]:
        """Options of the data set."""
        return {"size": self.size, "train": self.train, "val": self.val, "test": 1}


@dataclass(frozen=True)
class Finished:
    """A run.

    Attributes:
        net: trained.
        times: seconds, when it began and when each epoch was over.
        iou: on the validation split, after the last epoch.
    """

    net: nn.Module
    times: Sequence[float]
    iou: float

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.net.parameters())

    @property
    def seconds_per_epoch(self) -> float:
        """Without the first one, in which workers start and kernels are chosen."""
        return (self.times[-1] - self.times[1]) / (len(self.times) - 2)
