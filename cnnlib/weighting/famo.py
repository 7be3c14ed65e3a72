"""Weights under which all losses fall alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from cnnlib.checks import checked
from cnnlib.types import TrainingStep
from cnnlib.weighting.base import NotNegative, Positive, Weighting, check_not_negative
from cnnlib.weighting.learned import LearnedNumbers

_EPSILON = 1e-8


class FAMO(Weighting):
    """Fast adaptive multitask optimization: the logarithms of all losses are to fall alike.

    With the softmax z of learned logits the weights are c z / L, where c makes the weights of the logarithms' gradients
    add up to 1. After each step the losses of the same batches are computed once more (a forward pass), and the logits
    move by how far each logarithm fell. Losses must be at least 0.

    Source: Liu, Feng, Stone and Liu, "FAMO: Fast Adaptive Multitask Optimization", NeurIPS 2023.

    Args:
        tasks: that are trained.
        learning_rate: of the logits, which Adam trains without a schedule.
        weight_decay: of the logits.
    """

    reads_losses = True
    weighs_by_losses = True
    looks_again = True

    @checked
    def __init__(
        self, tasks: Sequence[str], learning_rate: Positive = 0.025, weight_decay: NotNegative = 1e-3
    ) -> None:
        super().__init__(tasks)
        self.logits = LearnedNumbers(tasks, 0.0, learning_rate, weight_decay)

    def _shares(self, step: TrainingStep) -> torch.Tensor:
        logits = torch.tensor([self.logits[name] for name in step.tasks], dtype=torch.float64)
        return torch.softmax(logits, 0)

    def weights(self, step: TrainingStep) -> Mapping[str, float]:
        check_not_negative(step.losses, "famo")
        losses = torch.tensor([step.losses[name] + _EPSILON for name in step.tasks], dtype=torch.float64)
        by_task = self._shares(step) / losses
        return dict(zip(step.tasks, (by_task / by_task.sum()).tolist(), strict=True))

    def update(self, step: TrainingStep) -> None:
        check_not_negative(step.losses_after, "famo")
        fell = torch.tensor(
            [_log(step.losses[name]) - _log(step.losses_after[name]) for name in step.tasks],
            dtype=torch.float64,
        )
        shares = self._shares(step)
        gradients = shares * (fell - shares @ fell)  # what the softmax hands down
        self.logits.descend(dict(zip(step.tasks, gradients.tolist(), strict=True)))

    def state_dict(self) -> dict[str, Any]:
        return self.logits.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.logits.load_state_dict(state)


def _log(loss: float) -> float:
    return math.log(loss + _EPSILON)
