"""One number per task that is trained beside the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Adam


class LearnedNumbers:
    """A number per task, trained by Adam (Kingma and Ba, ICLR 2015) on gradients that are given.

    In float64 on the CPU: they are few, and all processes must hold the same.

    Args:
        tasks: their names.
        start: what each number is at first.
        learning_rate: Adam's, the same throughout.
        weight_decay: Adam's, added to the gradient.
    """

    def __init__(
        self, tasks: Sequence[str], start: float, learning_rate: float, weight_decay: float = 0.0
    ) -> None:
        self._numbers = {
            name: nn.Parameter(torch.tensor(start, dtype=torch.float64)) for name in dict.fromkeys(tasks)
        }
        self._adam = Adam(self._numbers.values(), lr=learning_rate, weight_decay=weight_decay)

    def __getitem__(self, task: str) -> float:
        return self._numbers[task].item()

    def __setitem__(self, task: str, value: float) -> None:
        with torch.no_grad():
            self._numbers[task].fill_(value)

    def descend(self, gradients: Mapping[str, float]) -> None:
        """A step of Adam on the numbers of these tasks; the others are left alone, with what Adam knows of them."""
        for name, number in self._numbers.items():
            given = name in gradients
            number.grad = torch.tensor(gradients[name], dtype=torch.float64) if given else None
        self._adam.step()

    def state_dict(self) -> dict[str, Any]:
        numbers = {name: number.detach().clone() for name, number in self._numbers.items()}
        return {"numbers": numbers, "adam": self._adam.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, number in self._numbers.items():
            self[name] = state["numbers"][name].item()
            number.grad = None
        self._adam.load_state_dict(state["adam"])
