"""Weights from how fast each loss falls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from cnnlib.checks import checked
from cnnlib.types import TrainingStep
from cnnlib.weighting.base import Positive, Weighting


class DynamicWeightAverage(Weighting):
    """Dynamic weight average: a task whose loss fell less from the last epoch but one to the last has more weight.

    With the ratio r of the mean losses of these two epochs the weights are n softmax(r / temperature) over the step's
    n tasks; 1 until two epochs are over, and for a task that has been in no step of one of them r is 1.

    Source: Liu, Johns and Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019.

    Args:
        tasks: that are trained.
        temperature: higher makes the weights more alike.
    """

    reads_losses = True

    @checked
    def __init__(self, tasks: Sequence[str], temperature: Positive = 2.0) -> None:
        super().__init__(tasks)
        self.temperature = temperature
        self.epochs: list[dict[str, float]] = []
        self._start_epoch()

    def _start_epoch(self) -> None:
        self._sums = dict.fromkeys(self.tasks, 0.0)
        self._steps = dict.fromkeys(self.tasks, 0)

    def weights(self, step: TrainingStep) -> Mapping[str, float]:
        if len(self.epochs) < 2:
            return super().weights(step)
        ratios = torch.tensor([self._ratio(name) for name in step.tasks], dtype=torch.float64)
        weights = len(step.tasks) * torch.softmax(ratios / self.temperature, 0)
        return dict(zip(step.tasks, weights.tolist(), strict=True))

    def _ratio(self, task: str) -> float:
        before, last = self.epochs
        known = task in before and task in last and before[task] != 0
        return last[task] / before[task] if known else 1.0

    def update(self, step: TrainingStep) -> None:
        for name in step.tasks:
            self._sums[name] += step.losses[name]
            self._steps[name] += 1

    def end_epoch(self) -> None:
        means = {name: self._sums[name] / count for name, count in self._steps.items() if count}
        self.epochs = [*self.epochs, means][-2:]
        self._start_epoch()

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.epochs = [dict(means) for means in state["epochs"]]
        self._start_epoch()
