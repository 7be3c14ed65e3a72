"""A binary foreground mask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from cnnlib.metrics.mask import MaskMetrics
from cnnlib.tasks.averages import mean, sums
from cnnlib.tasks.dense import DenseTask
from cnnlib.tasks.drawing import gray_where_invalid, to_uint8
from cnnlib.types import CnnlibError, Head, LossInputs, Size, SplitMetric, Target

# A mask saved as JPEG, or with soft edges, has few levels between these; a photograph or a depth map, most.
_DARK, _LIGHT = 32, 223
_MAX_SHARE_BETWEEN = 0.25


class MaskTask(DenseTask):
    """Target: float (1, H, W), exactly 0 (background) or 1 (foreground). Prediction: the probability of 1."""

    kind: ClassVar[str] = "mask"
    default_loss: ClassVar[str] = "bce"
    main_metric: ClassVar[str] = "iou"
    head = Head("map", 1)
    values = ("probabilities", "logits")
    legend = "white: foreground; black: background"
    error_legend = "white: true positive; black: true negative; red: false positive; blue: false negative"
    file_note = "8-bit PNG: 255 is foreground, 0 is background"

    @classmethod
    def from_pixels(cls, array: np.ndarray) -> Target:
        """Foreground from the middle level, 128 of 255, on.

        Raises:
            CnnlibError: this is no mask: more than a quarter of its pixels is neither dark nor light, or it has levels
                above 0 but no foreground.
        """
        white = np.iinfo(array.dtype).max
        if 0 < array.max() < (white + 1) // 2:
            raise CnnlibError(
                f"its highest level is {array.max()} of {white}; foreground must be from {(white + 1) // 2} on"
            )
        levels = array // 257 if white > 255 else array
        between = ((levels >= _DARK) & (levels <= _LIGHT)).mean()
        if between > _MAX_SHARE_BETWEEN:
            raise CnnlibError(f"{between:.0%} of its pixels are neither dark nor light")
        return Target(torch.from_numpy((levels >= 128).astype(np.float32))[None])

    def check_values(self, values: Tensor) -> None:
        super().check_values(values)
        if not ((values == 0) | (values == 1)).all():
            raise CnnlibError(
                f"a mask is 0 (background) or 1 (foreground); some targets lie between {values.min():.4g} and "
                f"{values.max():.4g}: compare them with a threshold, or mark what is not known as not valid"
            )

    def describe(self, target: Target) -> dict[str, float | str]:
        """The share of foreground in what is known."""
        return {"foreground": float(self.valid_values(target).double().mean()), **super().describe(target)}

    def decode(self, raw: Tensor, size: Size) -> Tensor:
        return torch.sigmoid(raw.float())

    def loss_inputs(self, values: str, raw: Tensor, target: Target, size: Size) -> LossInputs:
        return LossInputs(raw if values == "logits" else self.decode(raw, size), *target)

    def metric(self) -> SplitMetric:
        return MaskMetrics()

    def constant(self, targets: Iterable[Target]) -> Tensor:
        """1 where the mean mask reaches the threshold that gives the highest IoU on the targets, else 0.

        No mask of another form has a higher IoU on them.
        """
        total, count = sums(self.known(targets))
        shares = mean(total, count, self.alike)
        order = shares.flatten().argsort(descending=True)
        both, found = (pixels.flatten()[order].cumsum(0) for pixels in (total, count))
        truth, valid = total.sum().expand_as(both), count.sum().expand_as(both)
        iou = MaskMetrics().formulas(torch.stack([both, found, truth, valid], dim=1))["iou"]
        threshold = shares.flatten()[order[iou.argmax()]]
        return ((shares >= threshold) & (shares > 0)).float()

    def draw(self, prediction: Tensor, image: Tensor, valid: Tensor | None = None) -> Tensor:
        return gray_where_invalid(to_uint8(prediction).expand(3, -1, -1), valid)

    def draw_error(self, prediction: Tensor, target: Target, image: Tensor) -> Tensor:
        found, truth = prediction >= 0.5, target.value >= 0.5  # (1, H, W)
        picture = torch.cat([found, found & truth, truth]).to(torch.uint8) * 255
        return gray_where_invalid(picture, target.valid)

    def store(self, prediction: Tensor, valid: Tensor | None = None) -> np.ndarray:
        """uint8 (H, W), 0 or 255: the probability against one half."""
        return np.where(prediction[0].cpu().numpy() >= 0.5, 255, 0).astype(np.uint8)

    def load(self, stored: np.ndarray) -> Tensor:
        return torch.from_numpy((stored >= 128).astype(np.float32))[None]
