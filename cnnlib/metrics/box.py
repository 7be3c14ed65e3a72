"""How well a box fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from cnnlib.metrics.base import PerImageRows
from cnnlib.types import Size


class BoxMetrics(PerImageRows):
    """IoU of the predicted and the true box of each image: mean, quartiles and shares over the images.

    A box whose right edge is left of its left edge, or above, has no area. Where neither box has an area, IoU is 0. A
    predicted box with NaN makes every metric NaN.
    """

    explanations: ClassVar[Mapping[str, str]] = {
        "iou": "overlap of predicted and true box divided by their union, mean over the images; 1 is perfect",
        "iou_q25": "a quarter of the images has an IoU below this",
        "iou_median": "half of the images has an IoU below this",
        "iou_q75": "three quarters of the images have an IoU below this",
        "above_0.5": "share of the images with an IoU of at least 0.5; 1 is perfect",
        "above_0.75": "share of the images with an IoU of at least 0.75; 1 is perfect",
    }

    def measure(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> Tensor:
        return torch.stack([valid.double(), box_iou(pred.double(), target.double())], dim=1)

    def evaluate(self, rows: Tensor) -> dict[str, Tensor]:
        iou = rows[rows[:, 0] > 0, 1]
        iou = iou if len(iou) else rows.new_full((1,), torch.nan)
        quartiles = iou.quantile(iou.new_tensor([0.25, 0.5, 0.75])).unbind()
        return {
            "iou": iou.mean(),
            **dict(zip(("iou_q25", "iou_median", "iou_q75"), quartiles, strict=True)),
            **{
                f"above_{least}": torch.where(iou.isnan(), iou, (iou >= least).double()).mean()
                for least in (0.5, 0.75)
            },
        }

    def per_image(self) -> dict[str, Tensor]:
        valid, iou = self.all_rows().cpu().unbind(1)
        return {"iou": iou.masked_fill(valid == 0, torch.nan)}


def box_iou(one: Tensor, other: Tensor) -> Tensor:
    """IoU of boxes (B, 4), xyxy, pair by pair: (B,)."""
    overlap = _area(torch.cat([one[:, :2].maximum(other[:, :2]), one[:, 2:].minimum(other[:, 2:])], dim=1))
    union = _area(one) + _area(other) - overlap
    return torch.where(union == 0, 0.0, overlap / union)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
