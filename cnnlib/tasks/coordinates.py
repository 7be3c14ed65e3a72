"""Targets in pixels: the mistakes that coordinates invite, and the units that losses take."""

from __future__ import annotations

from torch import Tensor

from cnnlib.types import CnnlibError, Size


def width_height(size: Size, like: Tensor) -> Tensor:
    """The picture's (width, height), (2,), float32 on the device of ``like``."""
    return like.new_tensor([size[1], size[0]]).float()


def check_near(xy: Tensor, size: Size, what: str) -> None:
    """Raises ``CnnlibError`` where a place lies further from the picture than its longer side.

    Args:
        xy: places that are valid, (N, 2).
    """
    far = ((xy < -max(size)) | (xy > 2 * max(size))).any(dim=-1)
    if far.any():
        x, y = xy[far][0].tolist()
        raise CnnlibError(
            f"{what} lies at x={x:g}, y={y:g}, far outside of the picture of {size[1]} x {size[0]} pixels; are the "
            "coordinates in pixels of this very picture, x before y, and boxes as xmin, ymin, xmax, ymax?"
        )


def check_pixels(values: Tensor) -> None:
    """Raises ``CnnlibError`` where coordinates (N, D) seem to be shares of the picture and not pixels."""
    if len(values) and (values.abs() <= 1).all():
        raise CnnlibError(
            "all coordinates lie between -1 and 1, so they seem to be shares of the picture; multiply x by its width "
            "and y by its height, for coordinates are in pixels"
        )
