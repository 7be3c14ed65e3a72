"""The class of an image, or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from cnnlib.metrics.label import LabelMetrics, MultiLabelMetrics
from cnnlib.tasks.base import check_classes, check_names
from cnnlib.tasks.class_counts import ClassCounts
from cnnlib.tasks.drawing import DARK_GREEN, DARK_RED, Canvas
from cnnlib.tasks.row import RowTask
from cnnlib.types import CnnlibError, Head, LossInputs, Size, SplitMetric, Target, TargetInfo, View

_SHOWN = 3  # classes written on a picture


class LabelTask(RowTask):
    """Target: int64 (), an index into ``info.names``; valid (). Prediction: the probability of each class, (n,).

    With ``info.multi_label`` several classes may be true at once: float (n,), 0 or 1 for each; valid (n,).

    Raises:
        CnnlibError: the target does not name at least two classes (one, of several at once).
    """

    kind: ClassVar[str] = "label"
    default_loss = "cross_entropy"
    main_metric: ClassVar[str] = "accuracy"
    finer_metric: ClassVar[str] = "brier"
    values = ("classes", "probabilities")
    legend = "the most probable classes"
    error_legend = "green: right; red: wrong"

    def __init__(self, info: TargetInfo) -> None:
        super().__init__(info)
        check_names(info, 1 if info.multi_label else 2, "classes")
        self.head = Head("vector", len(info.names))
        if info.multi_label:
            self.default_loss = "bce"
            self.values = ("logits", "probabilities")
        self.columns = [f"p_{name}" for name in info.names]
        self.file_note = "predicted: the class (several: separated by ;); p_<class>: its probability"

    def needed_columns(self) -> list[list[str]]:
        return [["predicted"], self.columns]

    def missing(self, size: Size) -> Target:
        if self.info.multi_label:
            return Target(torch.zeros(self.head.channels), torch.zeros(self.head.channels, dtype=torch.bool))
        return Target(torch.tensor(0), torch.tensor(False))

    def check_values(self, values: Tensor) -> None:
        if not self.info.multi_label:
            check_classes(values, self.info.names)
        elif not ((values == 0) | (values == 1)).all():
            raise CnnlibError(
                "each class must be 0 (no) or 1 (yes); mark those that are not known as not valid"
            )

    def describe(self, target: Target) -> dict[str, float | str]:
        """The class; of several, all that are true."""
        return {"class": self._classes(self.as_prediction(target.value), target.valid)}

    def move(self, target: Target, view: View) -> Target:
        return target

    def loss_inputs(self, values: str, raw: Tensor, target: Target, size: Size) -> LossInputs:
        if values != "probabilities":
            return LossInputs(raw, *target)
        valid = target.valid if self.info.multi_label else target.valid[:, None]
        return LossInputs(self.decode(raw, size), self.as_prediction(target.value), valid)

    def decode(self, raw: Tensor, size: Size) -> Tensor:
        return raw.float().sigmoid() if self.info.multi_label else raw.float().softmax(dim=1)

    def metric(self) -> SplitMetric:
        return MultiLabelMetrics() if self.info.multi_label else LabelMetrics(self.head.channels)

    def class_counts(self, metric: SplitMetric) -> ClassCounts:
        """Calibration of one class is that of the predicted one; of several, that of each class's yes."""
        scores, sums, bins = ("precision", "recall", "f1"), metric.sums(), metric.reliability()
        if self.info.multi_label:
            return ClassCounts.of("images", self.info.names, (*scores, "ece"), sums, bins=bins)
        return ClassCounts.of("images", self.info.names, scores, sums, metric.confusion(), bins)

    def as_prediction(self, value: Tensor) -> Tensor:
        """Also of a batch."""
        if self.info.multi_label:
            return value.float()
        return (value[..., None] == torch.arange(self.head.channels, device=value.device)).float()

    def as_value(self, prediction: Tensor) -> Tensor:
        return prediction if self.info.multi_label else prediction.argmax()

    def draw(self, prediction: Tensor, image: Tensor, valid: Tensor | None = None) -> Tensor:
        known = prediction if valid is None else prediction.masked_fill(~valid, torch.nan)
        best = known.nan_to_num(-1).argsort(descending=True, stable=True)[:_SHOWN].tolist()
        lines = [f"{known[index]:.0%} {self.info.names[index]}" for index in best if known[index] >= 0.005]
        return Canvas(image).text(lines or ["not known"]).picture()

    def draw_error(self, prediction: Tensor, target: Target, image: Tensor) -> Tensor:
        if not target.valid.any():
            return Canvas(image).text(["not known"]).picture()
        found, truth = (
            self._classes(each, target.valid) for each in (prediction, self.as_prediction(target.value))
        )
        color = DARK_GREEN if found == truth else DARK_RED
        return Canvas(image).text([f"predicted: {found}", f"truth: {truth}"], color).picture()

    def store(self, prediction: Tensor, valid: Tensor | None = None) -> dict[str, Any]:
        known = True if valid is None else valid
        return {"predicted": self._classes(prediction, known) or None, **super().store(prediction, valid)}

    def load(self, stored: Mapping[str, Any]) -> Tensor:
        """A table of targets may hold nothing but ``predicted``: these classes are then certain."""
        probabilities, given = super().load(stored), (stored.get("predicted") or "").split(";")
        if given == [""] or not probabilities.isnan().all():
            return probabilities
        if unknown := set(given) - set(self.info.names):
            raise ValueError(f"{min(unknown)!r} is no class; there are {', '.join(self.info.names)}")
        return torch.tensor([float(name in given) for name in self.info.names])

    def _classes(self, prediction: Tensor, valid: Tensor | bool = True) -> str:
        """The names that a prediction decides for; none where it is NaN."""
        if self.info.multi_label:
            decided = (prediction >= 0.5) & valid
        else:
            decided = (torch.arange(len(prediction)) == prediction.argmax()) & ~prediction.isnan() & valid
        return ";".join(name for name, yes in zip(self.info.names, decided.tolist(), strict=True) if yes)
