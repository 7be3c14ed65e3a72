"""Weights from each task's uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cnnlib.checks import checked
from cnnlib.types import TrainingStep
from cnnlib.weighting.base import Positive, Weighting
from cnnlib.weighting.learned import LearnedNumbers


class Uncertainty(Weighting):
    """Weights that are learned from the tasks' uncertainty: half the inverse of a variance.

    Minimised is the sum of exp(-s) L / 2 + s / 2 over the tasks, with their losses L and learned logarithms of
    variances s, which is stable where a variance itself would not be. s begins at 0, and has the gradient
    (1 - exp(-s) L) / 2.

    Source: Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018.

    Args:
        tasks: that are trained.
        learning_rate: of the logarithms, which Adam trains without weight decay or schedule.
    """

    reads_losses = True

    @checked
    def __init__(self, tasks: Sequence[str], learning_rate: Positive = 0.01) -> None:
        super().__init__(tasks)
        self.log_variances = LearnedNumbers(tasks, 0.0, learning_rate)

    def weights(self, step: TrainingStep) -> Mapping[str, float]:
        return {name: 0.5 * math.exp(-self.log_variances[name]) for name in step.tasks}

    def update(self, step: TrainingStep) -> None:
        weights = self.weights(step)
        self.log_variances.descend({name: 0.5 - weights[name] * step.losses[name] for name in step.tasks})

    def state_dict(self) -> dict[str, Any]:
        return self.log_variances.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.log_variances.load_state_dict(state)
