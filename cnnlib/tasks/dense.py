"""What tasks on maps, a value for every pixel, have in common."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlib.tasks.base import Task
from cnnlib.types import Size, Target, View


class DenseTask(Task):
    """A task whose target is float (C, H, W) and whose valid mask is (1, H, W); C is the head's channels.

    A subclass sets ``head`` before it uses any of this. So that targets can be read from image files it has the class
    method ``from_pixels(array, *, ...) -> Target``, whose keyword arguments become options of the data set.

    Class attributes:
        pixels: the array that ``from_pixels`` takes: ``gray`` levels (H, W), uint8 or uint16; ``color``, uint8
            (H, W, 3); the ``index`` that an image with a palette stores, (H, W); or ``lengths`` (H, W), uint8, uint16
            or float32.
        bits_matter: whether 8 and 16 bits of one level mean different values, so that a data set has one of them.
    """

    full_size = True
    alike = (-2, -1)
    pixels: ClassVar[Literal["gray", "color", "index", "lengths"]] = "gray"
    bits_matter: ClassVar[bool] = False

    def missing(self, size: Size) -> Target:
        return Target(torch.zeros(self.head.channels, *size), torch.zeros(1, *size, dtype=torch.bool))

    def valid_values(self, target: Target) -> Tensor:
        return target.value.movedim(0, -1)[target.valid[0]].squeeze(-1)  # (N,), or (N, C) of several channels

    def move(self, target: Target, view: View) -> Target:
        return Target(view.warp(target.value), view.warp(target.valid))

    def cut(self, prediction: Tensor, size: Size) -> Tensor:
        return prediction[..., : size[0], : size[1]]

    def resize(self, prediction: Tensor, old: Size, new: Size) -> Tensor:
        """Bilinear, with antialiasing."""
        if tuple(prediction.shape[-2:]) == tuple(new):
            return prediction
        return F.interpolate(prediction[None], tuple(new), mode="bilinear", antialias=True)[0]
