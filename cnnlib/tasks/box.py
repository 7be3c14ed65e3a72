"""The box around one object."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor

from cnnlib.metrics.box import BoxMetrics, box_iou
from cnnlib.tasks.drawing import BLUE, ORANGE, Canvas
from cnnlib.tasks.row import CoordinatesTask, width_height
from cnnlib.types import CnnlibError, Head, LossInputs, Size, SplitMetric, Target, View

_LEAST_LEFT = 0.1  # of a box's area, after a move


class BoxTask(CoordinatesTask):
    """Target and prediction: float (4,), xyxy in pixels with (0, 0) at the corner of the picture; valid ().

    The raw output's sigmoid is the box's centre x, y and its width and height, as shares of the picture's width and
    height. Losses see the box as it comes, ``decode`` cuts it to the picture.
    """

    kind: ClassVar[str] = "box"
    default_loss: ClassVar[str] = "giou"
    main_metric: ClassVar[str] = "iou"
    head = Head("vector", 4)
    values = ("boxes", "coordinates")
    legend = "orange: the box"
    error_legend = "blue: truth; orange: prediction"
    file_note = "edges in pixels of the image; (0, 0) is its upper left corner"
    place: ClassVar[str] = "a corner of a box"
    columns = ("xmin", "ymin", "xmax", "ymax")

    def missing(self, size: Size) -> Target:
        return Target(torch.zeros(4), torch.tensor(False))

    def check_values(self, values: Tensor) -> None:
        super().check_values(values)
        empty = (values[:, 2:] <= values[:, :2]).any(1)
        if empty.any():
            raise CnnlibError(
                f"a box is xmin, ymin, xmax, ymax in pixels, with xmin < xmax and ymin < ymax; one is "
                f"{[round(edge, 2) for edge in values[empty][0].tolist()]}: convert boxes given by width and height, "
                "and mark missing ones as not valid"
            )

    def describe(self, target: Target) -> dict[str, float | str]:
        """Width and height in pixels."""
        if not target.valid:
            return {"width": math.nan, "height": math.nan}
        xmin, ymin, xmax, ymax = target.value.tolist()
        return {"width": xmax - xmin, "height": ymax - ymin}

    def move(self, target: Target, view: View) -> Target:
        """The box around the moved corners, cut to the image; not valid with less than a tenth of its area left."""
        corners = view.points(_corners(target.value))
        moved = torch.cat([corners.amin(0), corners.amax(0)])
        cut = moved.minimum(width_height(view.size, moved).repeat(2)).clamp(min=0)
        return Target(cut, target.valid & (_area(cut) >= _LEAST_LEFT * _area(moved)))

    def places(self, target: Target, view: View) -> Tensor:
        """The corners of the moved box."""
        value, valid = self.move(target, view)
        return _corners(value) if valid else super().places(target, view)

    def loss_inputs(self, values: str, raw: Tensor, target: Target, size: Size) -> LossInputs:
        longer = max(size)
        return LossInputs(self._boxes(raw, size) / longer, target.value / longer, target.valid[:, None])

    def decode(self, raw: Tensor, size: Size) -> Tensor:
        return self._boxes(raw, size).clamp(min=0).minimum(width_height(size, raw).repeat(2))

    def metric(self) -> SplitMetric:
        return BoxMetrics()

    def constant(self, targets: Iterable[Target]) -> Tensor:
        """Of the targets, the box with the highest mean IoU with all of them."""
        boxes = torch.stack(list(self.known(targets))).double()
        iou = torch.stack([box_iou(box.expand_as(boxes), boxes).nanmean() for box in boxes])
        return boxes[iou.nan_to_num(-1).argmax()].nan_to_num(0).float()

    def cut(self, prediction: Tensor, size: Size) -> Tensor:
        return prediction.minimum(width_height(size, prediction).repeat(2))

    def resize(self, prediction: Tensor, old: Size, new: Size) -> Tensor:
        return prediction * (width_height(new, prediction) / width_height(old, prediction)).repeat(2)

    def draw(self, prediction: Tensor, image: Tensor, valid: Tensor | None = None) -> Tensor:
        canvas = Canvas(image)
        return (canvas.box(prediction, ORANGE) if valid is None or valid else canvas).picture()

    def draw_error(self, prediction: Tensor, target: Target, image: Tensor) -> Tensor:
        canvas = Canvas(image)
        if target.valid:
            canvas.box(target.value, BLUE).box(prediction, ORANGE)
        return canvas.picture()

    def _boxes(self, raw: Tensor, size: Size) -> Tensor:
        """Boxes in pixels, (B, 4), that may reach beyond the picture."""
        centre, extent = (raw.float().sigmoid() * width_height(size, raw).repeat(2)).chunk(2, dim=1)
        return torch.cat([centre - extent / 2, centre + extent / 2], dim=1)


def _corners(box: Tensor) -> Tensor:
    """(4, 2), clockwise from the upper left one."""
    return box[[0, 1, 2, 1, 2, 3, 0, 3]].view(4, 2)


def _area(box: Tensor) -> Tensor:
    return (box[2:] - box[:2]).clamp(min=0).prod()
