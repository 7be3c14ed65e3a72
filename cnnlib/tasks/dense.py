"""What tasks on maps, a value for every pixel, have in common."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlib.tasks.base import Task
from cnnlib.types import Size, Target, View


class DenseTask(Task):
    """A task whose target is float (C, H, W) and whose valid mask is (1, H, W); C is the head's channels.

    A subclass sets ``head`` before it uses any of this.
    """

    alike = (-2, -1)

    def missing(self, size: Size) -> Target:
        return Target(torch.zeros(self.head.channels, *size), torch.zeros(1, *size, dtype=torch.bool))

    def valid_values(self, target: Target) -> Tensor:
        return target.value.movedim(0, -1)[target.valid[0]].squeeze(-1)  # (N,), or (N, C) of several channels

    def move(self, target: Target, view: View) -> Target:
        return Target(view.warp(target.value), view.warp(target.valid))

    def resize(self, prediction: Tensor, old: Size, new: Size) -> Tensor:
        """Bilinear, with antialiasing."""
        if tuple(prediction.shape[-2:]) == tuple(new):
            return prediction
        return F.interpolate(prediction[None], tuple(new), mode="bilinear", antialias=True)[0]
