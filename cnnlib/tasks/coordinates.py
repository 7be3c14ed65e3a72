"""What tasks in pixels have in common: the units of their losses, and the mistakes that coordinates invite."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from cnnlib.tasks.row import RowTask
from cnnlib.types import CnnlibError, Size, Target


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
