"""TorchJD's aggregators as weightings: what becomes of a Jacobian of (tasks x shared parameters)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cnnlib.types import CnnlibError, Combined, TrainingStep
from cnnlib.weighting.base import Weighting
from cnnlib.weighting.randomness import seeded


class Aggregation(Weighting):
    """One gradient of the shared parameters from the tasks' gradients, by a class of TorchJD.

    Each task's own parameters have its plain gradient. An aggregator with a memory has one for every set of tasks that
    a step can have, for its memory is of so many rows.

    Args:
        tasks: that are trained.
        make: the aggregator for a number of tasks, from the module ``torchjd.aggregation``.

    Class attributes:
        remembers: names of the aggregator's attributes that its later results depend on.

    Raises:
        CnnlibError: TorchJD, or a solver that it needs, is not installed.
    """

    reads_gradients = True
    remembers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, tasks: Sequence[str], make: Callable[[ModuleType, int], nn.Module]) -> None:
        super().__init__(tasks)
        self._make = make
        self._by_tasks: dict[tuple[str, ...], nn.Module] = {}
        self._saved: dict[tuple[str, ...], dict[str, Any]] = {}
        self._new(len(self.tasks))

    def _new(self, count: int) -> nn.Module:
        try:
            from torchjd import aggregation  # an optional dependency

            return self._make(aggregation, count)
        except ImportError as error:
            raise CnnlibError(
                f"{type(self).__name__} needs TorchJD and its solvers: pip install cnnlib[multitask] ({error})"
            ) from None

    def aggregate(self, step: TrainingStep, matrix: Tensor) -> Tensor:
        """What the step's aggregator makes of its argument, (tasks, anything)."""
        tasks = tuple(step.tasks)
        if tasks not in self._by_tasks:
            self._by_tasks[tasks] = self._new(len(tasks))
            if tasks in self._saved:
                self.recall(self._by_tasks[tasks], self._saved.pop(tasks), matrix)
        with torch.no_grad(), seeded(step, matrix.device):
            return self._by_tasks[tasks](matrix)

    def memory(self, aggregator: nn.Module) -> dict[str, Any]:
        """Its memory, in tensors and plain values."""
        return {name: getattr(aggregator, name) for name in self.remembers}

    def recall(self, aggregator: nn.Module, saved: Mapping[str, Any], matrix: Tensor) -> None:
        """Gives it such a memory; ``matrix`` is what it is shown next."""
        for name, value in saved.items():
            setattr(aggregator, name, value.to(matrix.device) if isinstance(value, Tensor) else value)

    def state_dict(self) -> dict[str, Any]:
        now = {tasks: memory for tasks, each in self._by_tasks.items() if (memory := self.memory(each))}
        memories = self._saved | now
        return {"memories": memories} if memories else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._by_tasks = {}
        self._saved = dict(state.get("memories", {}))


class FromGramian(Aggregation):
    """By a class of TorchJD that finds the rows' weights from their inner products, in float64."""

    def combine(self, step: TrainingStep) -> Combined:
        return Combined(self.aggregate(step, step.jacobian.gramian))


class FromRows(Aggregation):
    """By one that is shown rows, and looks at nothing but their inner products.

    So it is shown short ones, (tasks, tasks) in float64, that have the same inner products.
    """

    def combine(self, step: TrainingStep) -> Combined:
        rows = square_root(step.jacobian.gramian)
        # The result is a combination of the rows: weights @ rows.
        return Combined(torch.linalg.pinv(rows.T) @ self.aggregate(step, rows))


def square_root(gramian: Tensor) -> Tensor:
    """Rows (tasks, tasks) with these inner products."""
    values, vectors = torch.linalg.eigh(gramian)
    return vectors * values.clamp(min=0).sqrt()


def nearest_weights(gramian: Tensor, products: Tensor) -> Tensor:
    """(tasks,) of the combination of rows that is nearest to a vector.

    Args:
        gramian: inner products of the rows.
        products: of each row with the vector.
    """
    return torch.linalg.pinv(gramian, hermitian=True) @ products
