"""The class of every pixel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor

from cnnlib.metrics.semantic import SemanticMetrics
from cnnlib.tasks.averages import mean, sums
from cnnlib.tasks.base import check_classes, check_names
from cnnlib.tasks.class_counts import ClassCounts
from cnnlib.tasks.dense import DenseTask
from cnnlib.tasks.drawing import GREEN, RED, color_key, gray_where_invalid, palette
from cnnlib.types import Head, LossInputs, Size, SplitMetric, Target, TargetInfo


class SemanticTask(DenseTask):
    """Target: int64 (1, H, W), indices into ``info.names``. Prediction: the probability of each, (n, H, W).

    What is not valid may hold any index, such as the 255 that many data sets use for pixels to ignore.

    Raises:
        CnnlibError: the target does not name at least two classes.
    """

    kind: ClassVar[str] = "semantic"
    default_loss: ClassVar[str] = "cross_entropy"
    main_metric: ClassVar[str] = "miou"
    values = ("classes", "probabilities")
    pixels = "index"
    error_legend = "green: right; red: wrong; grey: not valid"

    def __init__(self, info: TargetInfo) -> None:
        super().__init__(info)
        check_names(info, 2, "classes")
        self.head = Head("map", len(info.names))
        self.legend = color_key(info.names, palette(len(info.names)))
        bits = 8 if len(info.names) <= 256 else 16
        self.file_note = f"{bits}-bit PNG: the index of the class, 0 to {len(info.names) - 1}"

    @classmethod
    def from_pixels(cls, array: np.ndarray, *, ignore_index: Annotated[int, Ge(0)] | None = 255) -> Target:
        """
        Args:
            ignore_index: of pixels that are not valid.
        """
        value = torch.from_numpy(array.astype(np.int64))[None]
        return Target(value, None if ignore_index is None else value != ignore_index)

    def missing(self, size: Size) -> Target:
        return Target(torch.zeros(1, *size, dtype=torch.int64), torch.zeros(1, *size, dtype=torch.bool))

    def check_values(self, values: Tensor) -> None:
        check_classes(values, self.info.names)

    def describe(self, target: Target) -> dict[str, float | str]:
        """The share of each class in what is known."""
        values = self.valid_values(target)
        counts = torch.bincount(values, minlength=len(self.info.names)).double() / max(1, len(values))
        return dict(zip(self.info.names, counts.tolist(), strict=True)) | super().describe(target)

    def loss_inputs(self, values: str, raw: Tensor, target: Target, size: Size) -> LossInputs:
        if values == "classes":
            return LossInputs(raw, target.value.squeeze(1), target.valid.squeeze(1))
        return LossInputs(self.decode(raw, size), self.as_prediction(target.value), target.valid)

    def decode(self, raw: Tensor, size: Size) -> Tensor:
        return raw.float().softmax(dim=1)

    def metric(self) -> SplitMetric:
        return SemanticMetrics(self.info.names)

    def class_counts(self, metric: SplitMetric) -> ClassCounts:
        scores = ("precision", "recall", "f1", "iou")
        return ClassCounts.of("pixels", self.info.names, scores, metric.sums(), metric.confusion())

    def constant(self, targets: Iterable[Target]) -> Tensor:
        """The frequency of each class in each pixel, divided by a power of its frequency in all pixels together.

        A power of 0 decides for the class that is most frequent in the pixel, so that a rare class is found nowhere;
        a power of 1 for the class that the pixel has most above its average. Of 0, 0.05, 0.1, ... 1 it is the power
        with the highest mean IoU on the targets.
        """
        total, count = sums(self.known(targets))
        shares = mean(total, count, self.alike)
        pixels = total.sum((1, 2)).clamp(min=1)  # of each class
        metric = SemanticMetrics(self.info.names)

        def weighted(power: float) -> Tensor:
            return F.normalize(shares / pixels.view(-1, 1, 1) ** power, p=1, dim=0).float()

        def miou(power: float) -> Tensor:
            found = weighted(power).argmax(0, keepdim=True)
            both, all_found = (
                found.flatten().bincount(counts.gather(0, found).flatten(), minlength=len(pixels))
                for counts in (total, count)
            )
            return metric.formulas(torch.cat([both, all_found, total.sum((1, 2))]))["miou"]

        return weighted(max((step / 20 for step in range(21)), key=miou))

    def as_prediction(self, value: Tensor) -> Tensor:
        """Also of a batch: 0 and 1, and all 0 for an index that is no class."""
        return (value == torch.arange(len(self.info.names), device=value.device).view(-1, 1, 1)).float()

    def as_value(self, prediction: Tensor) -> Tensor:
        return prediction.argmax(0, keepdim=True)

    def draw(self, prediction: Tensor, image: Tensor, valid: Tensor | None = None) -> Tensor:
        colors = torch.tensor(palette(len(prediction)), dtype=torch.uint8)
        return gray_where_invalid(colors[prediction.argmax(0).cpu()].permute(2, 0, 1), valid)

    def draw_error(self, prediction: Tensor, target: Target, image: Tensor) -> Tensor:
        right = prediction.argmax(0, keepdim=True) == target.value  # (1, H, W)
        green, red = (torch.tensor(color, dtype=torch.uint8).view(3, 1, 1) for color in (GREEN, RED))
        return gray_where_invalid(torch.where(right, green, red), target.valid)

    def store(self, prediction: Tensor, valid: Tensor | None = None) -> np.ndarray:
        """uint8, or uint16 for more than 256 classes, (H, W): the index of the most probable class."""
        return prediction.argmax(0).cpu().numpy().astype(np.uint8 if len(prediction) <= 256 else np.uint16)

    def load(self, stored: np.ndarray) -> Tensor:
        return self.as_prediction(torch.from_numpy(stored.astype(np.int64))[None])
