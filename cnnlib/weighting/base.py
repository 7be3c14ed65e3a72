"""What every weighting is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeAlias

import torch
from annotated_types import Ge, Gt

from cnnlib.types import CnnlibError, Combined, TrainingStep

Positive: TypeAlias = Annotated[float, Gt(0)]
NotNegative: TypeAlias = Annotated[float, Ge(0)]
Count: TypeAlias = Annotated[int, Ge(1)]


class Weighting:
    """How several tasks' losses become one step; the base of every weighting, yours included.

    A weighting sees losses that have been multiplied by the tasks' weights in the configuration. It is asked for the
    weights of the tasks that have a valid target in the step, and for those alone; what it learns, it learns in
    ``update``. All processes give it the same input, and it must return the same in all: what is random follows
    ``step.seed``, ``step.epoch`` and ``step.index``.

    Args:
        tasks: that are trained, in their order.

    Class attributes: see ``cnnlib.types.TaskWeighting``.

    Raises:
        TypeError: when a class is derived that reads gradients and weighs by losses: tasks' own parameters have their
            gradients before all losses of a step are known.
    """

    constant: ClassVar[bool] = False
    reads_losses: ClassVar[bool] = False
    weighs_by_losses: ClassVar[bool] = False
    reads_gradients: ClassVar[bool] = False
    looks_again: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        if cls.reads_gradients and cls.weighs_by_losses:
            raise TypeError(
                f"{cls.__name__}: reads_gradients and weighs_by_losses cannot both be true, for weights() would not be "
                "asked; set reads_losses instead, and use step.losses in combine()"
            )

    def __init__(self, tasks: Sequence[str]) -> None:
        self.tasks = tuple(tasks)

    def weights(self, step: TrainingStep) -> Mapping[str, float]:
        """What the losses of ``step.tasks`` are multiplied by before the backward pass."""
        return dict.fromkeys(step.tasks, 1.0)

    def combine(self, step: TrainingStep) -> Combined:
        """One gradient from the rows of ``step.jacobian``: by default their sum."""
        return Combined(torch.ones(len(step.tasks), dtype=torch.float64))

    def update(self, step: TrainingStep) -> None:
        """Learns from a step that was taken; by default nothing."""

    def end_epoch(self) -> None:
        """Every step of an epoch was taken."""

    def state_dict(self) -> dict[str, Any]:
        """All that later weights depend on, of tensors and plain values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The opposite."""


def check_not_negative(losses: Mapping[str, float], weighting: str) -> None:
    """Raises ``CnnlibError`` for a loss below 0, whose logarithm a weighting would need."""
    for name, loss in losses.items():
        if loss < 0:
            raise CnnlibError(
                f"weighting {weighting} needs losses of at least 0; that of {name} is {loss:.4g}: give the task "
                "another loss, or take another weighting"
            )
