"""The gradients of several tasks' losses, kept apart: the rows of a Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from cnnlib.types import Combined

_COLUMNS_AT_ONCE = 1 << 22  # of a row in float64: 32 MiB


class TaskGradients:
    """Gradients of the losses of ``count`` tasks with respect to ``parameters``, added up over the batches of a step.

    They are taken from the parameters' ``grad``, so that a backward pass may be anybody's, and no copy is made.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], count: int) -> None:
        self.parameters = list(parameters)
        self.rows: list[list[Tensor | None]] = [[None] * len(self.parameters) for _ in range(count)]

    def take(self, task: int) -> None:
        """Adds what a backward pass has left in ``grad`` to the task's row, and leaves ``None``."""
        row = self.rows[task]
        for index, parameter in enumerate(self.parameters):
            gradient, parameter.grad = parameter.grad, None
            if gradient is not None:
                row[index] = gradient if row[index] is None else row[index].add_(gradient)

    def average(self, mean: Callable[[Sequence[Tensor]], None]) -> None:
        """``mean`` replaces tensors by their means over all processes, which must have the same parameters."""
        for index, parameter in enumerate(self.parameters):
            if any(row[index] is not None for row in self.rows):
                for row in self.rows:
                    if row[index] is None:
                        row[index] = torch.zeros_like(parameter)
        for row in self.rows:
            mean([gradient for gradient in row if gradient is not None])

    @cached_property
    def gramian(self) -> Tensor:
        """Inner products of the rows, (tasks, tasks), float64 on the CPU."""
        count = len(self.rows)
        total = torch.zeros(count, count, dtype=torch.float64)
        for index, parameter in enumerate(self.parameters):
            column = self._column(index)
            if column is None:
                continue
            for part in torch.stack(column).split(_COLUMNS_AT_ONCE, dim=1):
                total = total.to(parameter.device) + part.double() @ part.double().T
        return total.cpu()

    def _column(self, index: int) -> list[Tensor] | None:
        """Each task's gradient of one parameter, flat; ``None`` where no task has one."""
        column = [row[index] for row in self.rows]
        if all(gradient is None for gradient in column):
            return None
        return [
            (torch.zeros_like(self.parameters[index]) if gradient is None else gradient).flatten()
            for gradient in column
        ]

    def matrix(self) -> Tensor:
        """(tasks, parameters), on the device."""
        return torch.stack(
            [
                torch.cat(
                    [
                        (torch.zeros_like(parameter) if gradient is None else gradient).flatten()
                        for parameter, gradient in zip(self.parameters, row, strict=True)
                    ]
                )
                for row in self.rows
            ]
        )

    def give(self, combined: Combined) -> None:
        """Leaves the combination in the parameters' ``grad``: ``None`` where no task has a gradient."""
        sizes = [parameter.numel() for parameter in self.parameters]
        parts = None if combined.vector is None else combined.vector.split(sizes)
        weights = combined.weights.tolist()
        for index, parameter in enumerate(self.parameters):
            known = [
                (weight, row[index])
                for weight, row in zip(weights, self.rows, strict=True)
                if row[index] is not None
            ]
            if not known:
                continue
            if parts is not None:
                parameter.grad = torch.empty_like(parameter).copy_(parts[index].view_as(parameter))
                continue
            parameter.grad = torch.zeros_like(parameter)
            for weight, gradient in known:
                parameter.grad.add_(gradient, alpha=weight)


def cosines(gramian: Tensor) -> Tensor:
    """Of the angles between the rows, (tasks, tasks); NaN for a row of zeros."""
    norms = gramian.diagonal().sqrt()
    return gramian / torch.outer(norms, norms)
