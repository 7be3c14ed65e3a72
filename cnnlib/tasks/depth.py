"""Depth along the viewing axis, in metres."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from cnnlib.tasks.base import Task
from cnnlib.tasks.drawing import color_map, gray_where_invalid
from cnnlib.types import CnnlibError


class DepthTask(Task):
    """Target: float (1, H, W) in metres (or in whatever unit the data set states).

    Args:
        min_depth, max_depth: the range of predictions; ``decode`` is
            ``min_depth + (max_depth - min_depth) * sigmoid(logits)``, so that a fresh net starts in its middle.
        file_scale: steps per metre in the 16-bit PNG. 1000 stores millimetres, up to 65.535 m.

    Raises:
        CnnlibError: unless ``0 < min_depth < max_depth <= 65535 / file_scale``.
    """

    kind: ClassVar[str] = "depth"
    channels: ClassVar[int] = 1
    geometry: ClassVar[Literal["map", "depth"]] = "depth"
    default_loss: ClassVar[str] = "l1"
    main_metric: ClassVar[str] = "mae"
    higher_is_better: ClassVar[bool] = False

    def __init__(self, min_depth: float = 0.1, max_depth: float = 10.0, file_scale: float = 1000.0) -> None:
        if not 0 < min_depth < max_depth:
            raise CnnlibError(
                f"depth needs 0 < min_depth < max_depth; got min_depth={min_depth}, max_depth={max_depth}"
            )
        if not 0 < file_scale * max_depth <= 65535:
            raise CnnlibError(
                f"max_depth={max_depth} times file_scale={file_scale} must lie in (0, 65535], the range of a "
                f"16-bit PNG; use a file_scale of at most {65535 / max_depth:g}"
            )
        self.min_depth = min_depth
        self.max_depth = max_depth
        self.file_scale = file_scale
        self.file_note = f"16-bit PNG: {file_scale:g} steps a metre"

    def decode(self, logits: Tensor) -> Tensor:
        return self.min_depth + (self.max_depth - self.min_depth) * torch.sigmoid(logits.float())

    def check_targets(self, values: Tensor) -> None:
        super().check_targets(values)
        outside = (values < self.min_depth) | (values > self.max_depth)
        if len(values) and outside.double().mean() > 0.05:
            raise CnnlibError(
                f"{outside.double().mean():.0%} of the depth targets cannot be predicted: they reach from "
                f"{values.min():.4g} to {values.max():.4g}, predictions from {self.min_depth:g} to {self.max_depth:g}; "
                "set the task's min_depth and max_depth to the data's range (in its unit), or correct the data "
                "set's depth scale"
            )

    def score(self, metrics: Mapping[str, float]) -> float:
        """The mean absolute error, which runs are ranked by, as a share of the range of predictions, off 1."""
        return 1.0 - metrics["mae"] / (self.max_depth - self.min_depth)

    def draw(self, value: Tensor, valid: Tensor | None = None) -> Tensor:
        """Near is bright, far is dark; truth and prediction share the scale 0 to ``max_depth``."""
        return gray_where_invalid(color_map(1 - value[0] / self.max_depth, "magma"), valid)

    def draw_error(self, prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """The absolute error: black is none, the brightest is a tenth of ``max_depth`` or more."""
        error = (prediction - target).abs()[0] / (0.1 * self.max_depth)
        return gray_where_invalid(color_map(error, "inferno"), valid)

    def to_file(self, prediction: Tensor) -> np.ndarray:
        """uint16 (H, W), ``file_scale`` steps a metre."""
        steps = prediction[0].cpu().numpy().astype(np.float64) * self.file_scale
        return np.clip(np.rint(steps), 0, 65535).astype(np.uint16)

    def from_file(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array.astype(np.float32) / self.file_scale)[None]
