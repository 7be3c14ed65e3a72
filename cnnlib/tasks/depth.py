"""Depth along the viewing axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, TypeAlias

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from cnnlib.checks import checked
from cnnlib.metrics.depth import DepthMetrics
from cnnlib.metrics.depth_protocol import Crop, DepthProtocol
from cnnlib.tasks.averages import median
from cnnlib.tasks.byte_order import in_order
from cnnlib.tasks.dense import DenseTask
from cnnlib.tasks.drawing import color_map, gray_where_invalid
from cnnlib.types import CnnlibError, Head, Size, SplitMetric, Target, TargetInfo, View

Scale: TypeAlias = Annotated[float, Ge(1e-9), Le(1e9)]
"""Between what a file stores and a length; others leave nothing of either."""


class DepthTask(DenseTask):
    """Target: float (1, H, W) in metres, or in whatever unit the data set states, or inverse depth if it states that.

    Args:
        min_depth, max_depth: the range of predictions; ``decode`` is
            ``min_depth + (max_depth - min_depth) * sigmoid(raw)``, so that a fresh net starts in its middle.
        file_scale: steps per unit of depth in the 16-bit PNG. 1000 stores millimetres, up to 65.535 m.
        eval_crop: the part of each picture that metrics look at: ``eigen_nyu`` (Eigen et al., 2014, for NYUv2),
            ``eigen_kitti`` or ``garg`` (Garg et al., 2016, for KITTI); null is all of it. Training sees all of it.
        eval_min_depth, eval_max_depth: metrics leave out pixels whose true depth is not between these, and clamp
            predictions to them: papers take 0.001 and 10 m on NYUv2, 0.001 and 80 m on KITTI. Training sees all pixels.

    Raises:
        CnnlibError: unless ``0 < min_depth < max_depth <= 65535 / file_scale`` and ``eval_min_depth < eval_max_depth``.
    """

    kind: ClassVar[str] = "depth"
    default_loss: ClassVar[str] = "l1"
    main_metric: ClassVar[str] = "mae"
    higher_is_better: ClassVar[bool] = False
    head = Head("map", 1)
    values = ("lengths",)
    pixels = "lengths"
    bits_matter = True

    @checked
    def __init__(
        self,
        info: TargetInfo,
        min_depth: Annotated[float, Gt(0)] = 0.1,
        max_depth: Annotated[float, Gt(0)] = 10.0,
        file_scale: Scale = 1000.0,
        eval_crop: Crop | None = None,
        eval_min_depth: Annotated[float, Gt(0)] | None = None,
        eval_max_depth: Annotated[float, Gt(0)] | None = None,
    ) -> None:
        super().__init__(info)
        if not min_depth < max_depth:
            raise CnnlibError(
                f"depth needs min_depth < max_depth; got min_depth={min_depth}, max_depth={max_depth}"
            )
        if not file_scale * max_depth <= 65535:
            raise CnnlibError(
                f"max_depth={max_depth} times file_scale={file_scale} must lie in (0, 65535], the range of a "
                f"16-bit PNG; use a file_scale of at most {65535 / max_depth:g}"
            )
        if not (eval_min_depth or 0) < (eval_max_depth or math.inf):
            raise CnnlibError(
                f"depth needs eval_min_depth < eval_max_depth; got eval_min_depth={eval_min_depth}, "
                f"eval_max_depth={eval_max_depth}"
            )
        self.protocol = DepthProtocol(eval_crop, eval_min_depth, eval_max_depth)
        self.min_depth = min_depth
        self.max_depth = max_depth
        self.file_scale = file_scale
        unit = f" {info.unit}" if info.unit else ""
        what = "inverse depth" if info.inverse else "depth"
        self.legend = (
            f"bright: near; dark: far; all pictures of {what} share the scale from 0 to {max_depth:g}{unit}"
        )
        self.error_legend = f"the absolute error; black: none; brightest: {0.1 * max_depth:g}{unit} or more"
        self.file_note = f"16-bit PNG: {file_scale:g} steps per {info.unit or 'unit of depth'}"

    @classmethod
    def from_pixels(
        cls,
        array: np.ndarray,
        *,
        scale: Scale | None = None,
        zero_is_invalid: bool = True,
        swap_bytes: bool = False,
    ) -> Target:
        """
        Args:
            scale: depth per level. ``None`` is 0.001 (millimetres to metres) for 16 bits, 1/255 for 8 bits, whose unit
                is then the farthest depth that can be stored, and 1 for floats. Of these, NaN, infinite and negative
                ones are never valid.
            zero_is_invalid: level 0 means that the depth is not known.
            swap_bytes: the two bytes of 16-bit levels stand in the wrong order, as in PGM files of some Kinect tools.

        Raises:
            CnnlibError: the bytes of 16 bits look swapped, or have no need to be.
        """
        if array.dtype == np.uint16:
            array = in_order(array, swap_bytes)
        elif swap_bytes:
            raise CnnlibError(f"swap_bytes is for levels of 16 bits; these are {array.dtype}")
        default = {np.dtype(np.uint8): 1 / 255, np.dtype(np.uint16): 0.001}.get(array.dtype, 1.0)
        known = np.isfinite(array) & ((array > 0) if zero_is_invalid else (array >= 0))
        value = np.where(known, array, 0).astype(np.float32) * np.float32(scale or default)
        return Target(torch.from_numpy(value)[None], torch.from_numpy(known)[None])

    def describe(self, target: Target) -> dict[str, float | str]:
        """The range of what is known."""
        values = self.valid_values(target)
        near, far = (float(values.min()), float(values.max())) if len(values) else (math.nan, math.nan)
        return {"nearest": near, "farthest": far, **super().describe(target)}

    def decode(self, raw: Tensor, size: Size) -> Tensor:
        return self.min_depth + (self.max_depth - self.min_depth) * torch.sigmoid(raw.float())

    def check_values(self, values: Tensor) -> None:
        super().check_values(values)
        outside = (values < self.min_depth) | (values > self.max_depth)
        if len(values) and outside.double().mean() > 0.05:
            raise CnnlibError(
                f"{outside.double().mean():.0%} of the depth targets cannot be predicted: they reach from "
                f"{values.min():.4g} to {values.max():.4g}, predictions from {self.min_depth:g} to {self.max_depth:g}; "
                "set the task's min_depth and max_depth to the data's range (in its unit), or correct the data "
                "set's depth scale"
            )

    def move(self, target: Target, view: View) -> Target:
        """A zoom by s divides depths by s, and multiplies inverse depths: the camera sees the same picture of a scene
        that is s times nearer.
        """
        value, valid = super().move(target, view)
        return Target(value * view.zoom if self.info.inverse else value / view.zoom, valid)

    def metric(self) -> SplitMetric:
        return DepthMetrics(self.protocol)

    def score(self, metrics: Mapping[str, float]) -> float:
        """1 - MAE / (max_depth - min_depth)."""
        return 1.0 - metrics["mae"] / (self.max_depth - self.min_depth)

    def constant(self, targets: Iterable[Target]) -> Tensor:
        """The median of each pixel, which has the smallest mean absolute error; of large maps, from fewer samples."""
        return median(self.known(targets), self.alike)

    def draw(self, prediction: Tensor, image: Tensor, valid: Tensor | None = None) -> Tensor:
        share = prediction[0] / self.max_depth
        return gray_where_invalid(color_map(share if self.info.inverse else 1 - share, "magma"), valid)

    def draw_error(self, prediction: Tensor, target: Target, image: Tensor) -> Tensor:
        error = (prediction - target.value).abs()[0] / (0.1 * self.max_depth)
        return gray_where_invalid(color_map(error, "inferno"), target.valid)

    def store(self, prediction: Tensor, valid: Tensor | None = None) -> np.ndarray:
        """uint16 (H, W), ``file_scale`` steps per unit."""
        steps = prediction[0].cpu().numpy().astype(np.float64) * self.file_scale
        return np.clip(np.rint(steps), 0, 65535).astype(np.uint16)

    def load(self, stored: np.ndarray) -> Tensor:
        return torch.from_numpy(stored.astype(np.float32) / self.file_scale)[None]
