"""The direction that each pixel's surface faces."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from cnnlib.metrics.normals import NormalsMetrics, angle_between
from cnnlib.tasks.averages import median
from cnnlib.tasks.dense import DenseTask
from cnnlib.tasks.drawing import color_map, gray_where_invalid
from cnnlib.types import CnnlibError, Head, Size, SplitMetric, Target, View

_BRIGHTEST = 30.0  # degrees of error
_MAX_LENGTH_ERROR = 0.2  # of a direction in a file, as JPEG leaves it
_GRAY = 16  # levels between the channels of a grey pixel, as JPEG leaves it
_COLOR_AXES = (1.0, -1.0, -1.0)  # red: right, green: up, blue: towards the viewer


class NormalsTask(DenseTask):
    """Target and prediction: float (3, H, W), unit vectors in the camera's axes: x right, y down, z ahead.

    A surface that is seen faces the camera, so that its z is below 0, up to the effect of perspective at the rim.
    """

    kind: ClassVar[str] = "normals"
    default_loss: ClassVar[str] = "cosine"
    main_metric: ClassVar[str] = "median"
    higher_is_better: ClassVar[bool] = False
    head = Head("map", 3)
    values = ("directions",)
    pixels = "color"
    legend = "red: to the right; green: up; blue: towards the viewer"
    error_legend = (
        f"the angle between truth and prediction; black: none; brightest: {_BRIGHTEST:g} degrees or more"
    )
    file_note = (
        "8-bit RGB PNG: x, -y, -z (right, up, towards the viewer) = value / 127.5 - 1; the rounding turns a direction "
        "by less than 0.4 degrees"
    )

    @classmethod
    def from_pixels(cls, array: np.ndarray, *, green: Literal["up", "down"] = "up") -> Target:
        """The colours of ``legend``; not valid where they are no direction, such as black or grey.

        Args:
            green: where a bright green points; files that were made for some renderers, and 2D-3D-S, have it down.

        Raises:
            CnnlibError: these are no directions: most of its pixels with a colour are none, or it has levels of grey
                alone.
        """
        shown = torch.from_numpy(array.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1
        valid = (shown.norm(dim=0, keepdim=True) - 1).abs() < _MAX_LENGTH_ERROR
        colored = torch.from_numpy(np.ptp(array, axis=2) > _GRAY)
        wrong = (colored & ~valid[0]).sum() / colored.sum()
        if wrong > 0.5:
            raise CnnlibError(
                f"{wrong:.0%} of its pixels that are neither black nor grey are no direction; expected colours in "
                "which value / 127.5 - 1 has length 1"
            )
        if not colored.any() and np.ptp(array) > _GRAY:
            raise CnnlibError("it has levels of grey alone; expected the directions as colours")
        x, y, z = shown * torch.tensor(_COLOR_AXES).view(3, 1, 1)
        return Target(_unit(torch.stack([x, y if green == "up" else -y, z]), 0), valid)

    def check_values(self, values: Tensor) -> None:
        super().check_values(values)
        length = values.norm(dim=1)
        if ((length - 1).abs() > 0.01).any():
            raise CnnlibError(
                f"normals must have length 1; some have {length.min():.4g} to {length.max():.4g}: divide them by it, "
                "and mark pixels without a normal as not valid"
            )
        if len(values) and (values[:, 2] > 0).double().mean() > 0.5:
            raise CnnlibError(
                "most normals point away from the camera; the axes are x right, y down, z ahead, so that z is below 0 "
                "on surfaces that are seen: negate the axes of the data that point the other way"
            )

    def move(self, target: Target, view: View) -> Target:
        """Mirrored and turned with the image. A zoom by s brings the scene s times nearer, and scales z by s."""
        (x, y, z), valid = super().move(target, view)
        x = -x if view.mirrored else x
        cos, sin = math.cos(math.radians(view.angle)), math.sin(math.radians(view.angle))
        return Target(_unit(torch.stack([cos * x - sin * y, sin * x + cos * y, view.zoom * z]), 0), valid)

    def decode(self, raw: Tensor, size: Size) -> Tensor:
        return _unit(raw.float(), 1)

    def metric(self) -> SplitMetric:
        return NormalsMetrics()

    def score(self, metrics: Mapping[str, float]) -> float:
        """1 - median / 90."""
        return 1.0 - metrics["median"] / 90

    def constant(self, targets: Iterable[Target]) -> Tensor:
        """The direction of the median of x, y and z in each pixel; of large maps, from fewer samples.

        Where surfaces of a few directions meet, their mean is none of them. On scenes of 64 x 64 pixels the median
        error is 18 degrees, and with the mean 29.
        """
        return _unit(median(self.known(targets), self.alike), 0)

    def resize(self, prediction: Tensor, old: Size, new: Size) -> Tensor:
        return _unit(super().resize(prediction, old, new), 0)

    def draw(self, prediction: Tensor, image: Tensor, valid: Tensor | None = None) -> Tensor:
        shown = prediction.float().nan_to_num(0).cpu() * torch.tensor(_COLOR_AXES).view(3, 1, 1)
        return gray_where_invalid(((shown + 1) * 127.5).round().clamp(0, 255).to(torch.uint8), valid)

    def draw_error(self, prediction: Tensor, target: Target, image: Tensor) -> Tensor:
        angle = angle_between(prediction[None], target.value[None])[0, 0]
        return gray_where_invalid(color_map(angle / _BRIGHTEST, "inferno"), target.valid)

    def store(self, prediction: Tensor, valid: Tensor | None = None) -> np.ndarray:
        """uint8 (H, W, 3), as drawn."""
        return self.draw(prediction, prediction, valid).permute(1, 2, 0).contiguous().numpy()

    def load(self, stored: np.ndarray) -> Tensor:
        return self.from_pixels(stored).value


def _unit(vectors: Tensor, dim: int) -> Tensor:
    """Vectors of length 1; one shorter than 0.000001 stays short, so that gradients are finite."""
    return vectors * vectors.square().sum(dim, keepdim=True).clamp(min=1e-12).rsqrt()
