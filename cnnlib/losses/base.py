"""What every loss is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from torch import Tensor, nn

from cnnlib.tasks import Task

NUMERIC: Final = frozenset(
    {"probabilities", "lengths", "directions", "coordinates", "heatmaps", "numbers"}
)  # what a difference of two numbers makes sense for


class Loss(nn.Module):
    """A module ``loss(pred, target, valid=None) -> scalar``; the base of every loss, yours included.

    Prediction and target have one shape, (B, ...), of any rank; ``valid`` is bool and has that shape too, or 1 along
    some axes. It is the mean over what is valid: the rest adds neither value nor gradient, even where it is NaN. Half
    precision is computed in float32, also under autocast. Where nothing is valid, loss and gradient are 0.

    Class attributes:
        values: what it can compare, in the words of ``Task.values``.
        needs_map: it looks at neighbouring pixels, so all three are maps, (B, C, H, W).
        needs_image: it is called as ``loss(pred, target, valid, image=image)``.

    Raises:
        ValueError: when called with shapes that do not fit.
    """

    values: ClassVar[frozenset[str]]
    needs_map: ClassVar[bool] = False
    needs_image: ClassVar[bool] = False

    def __init__(self) -> None:  # says that there are no options, where nn.Module would take anything
        super().__init__()

    @classmethod
    def compares(cls, task: Task) -> tuple[str, ...]:
        """Which of ``task.values`` it can compare, in that order; empty if the loss does not fit the task."""
        if cls.needs_map and task.head.shape != "map":
            return ()
        return tuple(values for values in task.values if values in cls.values)

    def prepare(self, targets: Iterable[Tensor]) -> None:
        """Called once, before training, with the valid target values of every training sample.

        The few losses that learn something from them walk ``targets`` once; the others leave it alone, so that a lazy
        iterable costs nothing.
        """


class FunctionLoss(Loss):
    """The module twin of a ``function(pred, target, valid, **options)``, which gets its docstring unless it has one."""

    function: ClassVar[Callable[..., Tensor]]

    def __init_subclass__(cls) -> None:
        if "function" in vars(cls):
            cls.function.__doc__ = cls.function.__doc__ or cls.__doc__

    def __init__(self, **options: Any) -> None:
        super().__init__()
        inspect.signature(self.function).bind_partial(**options)  # refuses what the function does not take
        self.options = options

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None, **image: Tensor) -> Tensor:
        return self.function(pred, target, valid, **self.options, **image)
