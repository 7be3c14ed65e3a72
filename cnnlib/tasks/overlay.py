"""Predictions drawn on the picture that they were made for, at its own size."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from cnnlib.tasks.base import Task
from cnnlib.tasks.panel import input_pictures
from cnnlib.tasks.row import RowTask
from cnnlib.types import Predicted


def draw_overlay(sample: Predicted, inputs: Mapping[str, int], tasks: Mapping[str, Task]) -> Tensor | None:
    """All predictions that are rows, on the last of the ``inputs``, uint8 (3, H, W); ``None`` where there is none.

    A picture with less than 256 pixels along its longer side is enlarged by an integer factor.
    """
    *_, picture = input_pictures(sample.image, inputs).values()
    size = tuple(picture.shape[1:])
    drawn = None
    for key, prediction in sample.predictions.items():
        if isinstance(tasks[key], RowTask):
            prediction = tasks[key].resize(prediction, size, tuple(picture.shape[1:]))
            drawn = tasks[key].draw(prediction, picture)
            picture = drawn / 255
    return drawn
