"""Toy problems of the weightings' papers: losses that are functions of a few numbers, in float64 through the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from cnnlib.engine.objective import Objective
from cnnlib.engine.weighted_step import WeightedStep
from cnnlib.types import Batch, Head, LossInputs, Target, TaskWeighting

Losses = Callable[[Tensor], Sequence[Tensor]]


class Point(nn.Module):
    """A few numbers that all tasks share; the output of each task is its loss."""

    def __init__(self, losses: Losses, at: Sequence[float]) -> None:
        super().__init__()
        self.losses = losses
        self.numbers = nn.Parameter(torch.tensor(at, dtype=torch.float64))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {f"task{i}": loss.view(1, 1) for i, loss in enumerate(self.losses(self.numbers))}

    def shared_parameters(self) -> Any:
        return self.parameters()


class Plain:
    """A task whose output is compared with nothing."""

    head = Head("vector", 1)
    full_size = False

    def loss_inputs(self, values: str, raw: Tensor, target: Target, size: object) -> LossInputs:
        return LossInputs(raw, *target)


class Itself(nn.Module):
    """The loss is the output."""

    def forward(self, inputs: Callable[[str], LossInputs], image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        loss = inputs("numbers").pred.sum()
        return loss, {"itself": loss}


class Taken(NamedTuple):
    """A step: the gradient that the optimizer followed, and what each task's loss was multiplied by."""

    direction: np.ndarray
    weights: np.ndarray


class Descent:
    """Gradient descent from a point, each step through ``WeightedStep``."""

    def __init__(
        self, losses: Losses, at: Sequence[float], weighting: TaskWeighting, rate: float = 0.0
    ) -> None:
        fabric = Fabric(accelerator="cpu", devices=1, precision="64-true")
        net = Point(losses, at)
        self.model, self.optimizer = fabric.setup(net, torch.optim.SGD(net.parameters(), lr=rate))
        tasks = tuple(weighting.tasks)
        alike = dict.fromkeys(tasks, 1.0)
        objective = Objective(dict.fromkeys(tasks, Plain()), {name: Itself() for name in tasks}, alike)
        self.way = WeightedStep(fabric, self.model, objective, weighting, seed=0)
        known = Target(torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool))
        self.batch: Batch = {
            "image": torch.zeros(1, 1, 1, 1),
            "name": ["point"],
            **dict.fromkeys(tasks, known),
        }
        self.steps = 0

    def step(self) -> Taken:
        self.way.begin([self.batch], epoch=1, index=self.steps)
        self.way.backward(self.batch)
        self.way.finish()
        direction = self.model.module.numbers.grad.numpy().copy()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.way.learn()
        self.steps += 1
        logged = self.way.end_epoch()
        return Taken(direction, np.array([logged[f"weighting/{name}"] for name in self.way.tasks]))

    @property
    def numbers(self) -> np.ndarray:
        return self.model.module.numbers.detach().numpy().copy()


def names(count: int) -> tuple[str, ...]:
    return tuple(f"task{i}" for i in range(count))


def rows(losses: Losses, at: Sequence[float]) -> np.ndarray:
    """The losses' plain gradients, (tasks, numbers)."""
    jacobian = torch.autograd.functional.jacobian(
        lambda point: torch.stack([*losses(point)]), torch.tensor(at, dtype=torch.float64)
    )
    return jacobian.numpy()


def cagrads_landscape(point: Tensor) -> Sequence[Tensor]:
    """The two objectives of Liu et al. 2021 (arXiv:2110.14048), the problem of their Figure 1."""
    x, y = point
    above, below = (0.5 * y).tanh().clamp(min=0), (-0.5 * y).tanh().clamp(min=0)
    valleys = (0.5 * (-x - 7) - (-y).tanh(), 0.5 * (-x + 3) + (-y).tanh() + 2)
    bowls = (((-x + side) ** 2 + 0.1 * (-y - 8) ** 2) / 10 - 20 for side in (7, -7))
    return [
        above * (valley.abs().clamp(min=5e-6).log() + 6) + below * bowl
        for valley, bowl in zip(valleys, bowls, strict=True)
    ]


def bowls(centres: Sequence[Sequence[float]], scales: Sequence[float]) -> Losses:
    """A squared distance from a centre for each task, times its scale."""
    places = torch.tensor(centres, dtype=torch.float64)
    return lambda point: [s * ((point - c) ** 2).sum() for s, c in zip(scales, places, strict=True)]
