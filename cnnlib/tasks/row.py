"""What tasks on a few numbers per image, or on places in it, have in common: a prediction is a row of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from cnnlib.tasks.base import Task
from cnnlib.types import CnnlibError, Size, Target


class RowTask(Task):
    """A task whose prediction is a few numbers: one sample's is (N,), or of N elements; a single number is (1,).

    Attributes:
        columns: of the table, one for each of the N numbers.
    """

    columns: Sequence[str]

    def needed_columns(self) -> Sequence[Sequence[str]]:
        """Of a table of targets: alternatives, one of which it must have whole."""
        return [self.columns]

    def store(self, prediction: Tensor, valid: Tensor | None = None) -> dict[str, Any]:
        """Seven digits of each number; NaN and what is not valid are left empty."""
        if valid is not None:
            prediction = prediction.masked_fill(~self.expand_valid(valid, prediction), torch.nan)
        numbers = (
            None if math.isnan(value) else float(f"{value:.7g}") for value in prediction.flatten().tolist()
        )
        return dict(zip(self.columns, numbers, strict=True))

    def by_name(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """What ``store`` gave, as ``predictions.json`` has it: nested where several values belong to one name."""
        return dict(stored)

    def load(self, stored: Mapping[str, Any]) -> Tensor:
        texts = (stored[column] for column in self.columns)
        return torch.tensor([math.nan if text in (None, "") else float(text) for text in texts])


class CoordinatesTask(RowTask):
    """A task whose targets are places in the picture, in pixels.

    Class attributes:
        place: what a place in the picture is, for messages: ``"a point"``.
    """

    place: ClassVar[str]

    def check(self, target: Target, size: Size) -> Target:
        target = super().check(target, size)
        xy = self.valid_values(target).view(-1, 2)
        far = ((xy < -max(size)) | (xy > 2 * max(size))).any(dim=1)
        if far.any():
            x, y = xy[far][0].tolist()
            raise CnnlibError(
                f"{self.place} lies at x={x:g}, y={y:g}, far outside of the picture of {size[1]} x {size[0]} pixels; "
                "are the coordinates in pixels of this very picture, x before y, and boxes as xmin, ymin, xmax, ymax?"
            )
        return target

    def check_values(self, values: Tensor) -> None:
        super().check_values(values)
        if len(values) and (values.abs() <= 1).all():
            raise CnnlibError(
                "all coordinates lie between -1 and 1, so they seem to be shares of the picture; multiply x by its "
                "width and y by its height, for coordinates are in pixels"
            )


def width_height(size: Size, like: Tensor) -> Tensor:
    """The picture's (width, height), (2,), float32 on the device of ``like``."""
    return like.new_tensor([size[1], size[0]]).float()
