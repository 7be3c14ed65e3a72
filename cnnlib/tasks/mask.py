"""A binary foreground mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from cnnlib.tasks.base import Task
from cnnlib.tasks.drawing import gray_where_invalid


class MaskTask(Task):
    """Target: float (1, H, W), exactly 0 (background) or 1 (foreground). Prediction: the probability of 1."""

    kind: ClassVar[str] = "mask"
    channels: ClassVar[int] = 1
    geometry: ClassVar[Literal["map", "depth"]] = "map"
    default_loss: ClassVar[str] = "bce"
    main_metric: ClassVar[str] = "iou"
    higher_is_better: ClassVar[bool] = True
    file_note = "8-bit PNG: 255 is foreground, 0 is background"

    def decode(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits.float())

    def score(self, metrics: Mapping[str, float]) -> float:
        return metrics["iou"]

    def draw(self, value: Tensor, valid: Tensor | None = None) -> Tensor:
        gray = (value.float().clamp(0, 1) * 255).round().to(torch.uint8)
        return gray_where_invalid(gray.expand(3, -1, -1), valid)

    def draw_error(self, prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """White: found; black: rightly left; red: false alarm; blue: missed."""
        found, truth = prediction >= 0.5, target >= 0.5  # (1, H, W)
        picture = torch.cat([found, found & truth, truth]).to(torch.uint8) * 255
        return gray_where_invalid(picture, valid)

    def to_file(self, prediction: Tensor) -> np.ndarray:
        """uint8 (H, W), 0 or 255: the probability against one half."""
        return np.where(prediction[0].cpu().numpy() >= 0.5, 255, 0).astype(np.uint8)

    def from_file(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy((array >= 128).astype(np.float32))[None]
