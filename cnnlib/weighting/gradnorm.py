"""Weights that balance the gradients' norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from cnnlib.checks import checked
from cnnlib.types import TrainingStep
from cnnlib.weighting.base import NotNegative, Positive, Weighting
from cnnlib.weighting.learned import LearnedNumbers

_LEAST = 1e-4  # Adam may push a weight below 0, where the task would be unlearned


class GradNorm(Weighting):
    """Weights under which tasks that learn slowly have the larger gradients.

    The norm of a task's weighted gradient of the shared parameters is drawn to the tasks' mean norm times
    r ** ``alpha``, where r is the task's loss over its first one, divided by the tasks' mean of that. The weights
    begin at 1, and add up to the number of tasks. The paper takes the last shared layer alone; here it is all shared
    parameters, at the cost of a backward pass per task.

    Source: Chen, Badrinarayanan, Lee and Rabinovich, "GradNorm", ICML 2018.

    Args:
        tasks: that are trained.
        alpha: how strongly the pace of learning counts; 0 makes all norms alike.
        learning_rate: of the weights, which Adam trains without weight decay or schedule.
    """

    reads_losses = True
    reads_gradients = True

    @checked
    def __init__(
        self, tasks: Sequence[str], alpha: NotNegative = 1.5, learning_rate: Positive = 0.025
    ) -> None:
        super().__init__(tasks)
        self.alpha = alpha
        self.task_weights = LearnedNumbers(tasks, 1.0, learning_rate)
        self.first_losses: dict[str, float] = {}

    def weights(self, step: TrainingStep) -> Mapping[str, float]:
        return {name: self.task_weights[name] for name in step.tasks}

    def update(self, step: TrainingStep) -> None:
        for name in step.tasks:
            self.first_losses.setdefault(name, step.losses[name])
        weights = torch.tensor([self.task_weights[name] for name in step.tasks], dtype=torch.float64)
        norms = step.jacobian.gramian.diagonal().sqrt()  # of the weighted gradients
        left = torch.tensor([self._left(name, step.losses[name]) for name in step.tasks], dtype=torch.float64)
        wanted = norms.mean() * (left / left.mean()) ** self.alpha
        gradients = norms / weights * (norms - wanted).sign()
        if not gradients.isfinite().all():  # what is no number is found in the loss
            return
        self.task_weights.descend(dict(zip(step.tasks, gradients.tolist(), strict=True)))
        self._normalise()

    def _left(self, task: str, loss: float) -> float:
        first = self.first_losses[task]
        return loss / first if first else 1.0

    def _normalise(self) -> None:
        kept = {name: max(self.task_weights[name], _LEAST) for name in self.tasks}
        for name, weight in kept.items():
            self.task_weights[name] = len(self.tasks) * weight / sum(kept.values())

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.task_weights.state_dict(), "first_losses": self.first_losses}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.task_weights.load_state_dict(state["weights"])
        self.first_losses = dict(state["first_losses"])
