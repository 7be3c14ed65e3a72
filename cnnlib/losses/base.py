"""What every loss is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from annotated_types import Gt
from torch import Tensor, nn

from cnnlib.checks import check_arguments
from cnnlib.tasks import Task

NUMERIC: Final = frozenset(
    {"probabilities", "lengths", "directions", "coordinates", "heatmaps", "numbers"}
)  # what a difference of two numbers makes sense for

Positive: TypeAlias = Annotated[float, Gt(0)]


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
    """The module twin of a ``function(pred, target, valid, <options>)``, with its options, ranges and docstring::

        class HuberLoss(FunctionLoss, function=huber_loss, values=NUMERIC): ...

    What stands behind a ``*`` in the function's signature is no option, such as the image of ``needs_image``.
    """

    function: ClassVar[Callable[..., Tensor]]

    def __init_subclass__(
        cls,
        function: Callable[..., Tensor] | None = None,
        values: Collection[str] = (),
        needs_map: bool = False,
        needs_image: bool = False,
    ) -> None:
        if function is None:  # derived from a twin, with what that has
            return
        cls.function = staticmethod(function)
        cls.values, cls.needs_map, cls.needs_image = frozenset(values), needs_map, needs_image
        cls.__doc__ = function.__doc__
        cls.__init__ = _constructor(function)

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None, **image: Tensor) -> Tensor:
        return self.function(pred, target, valid, **self.options, **image)


def _constructor(function: Callable[..., Tensor]) -> Callable[..., None]:
    """``__init__`` of the twin of ``function``, whose signature shows the function's options."""
    _, _, _, *parameters = inspect.signature(function, eval_str=True).parameters.values()
    options = [parameter for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY]
    signature = inspect.Signature(options)

    def construct(self: FunctionLoss, *args: Any, **kwargs: Any) -> None:
        super(FunctionLoss, self).__init__()
        self.options = signature.bind(*args, **kwargs).arguments
        check_arguments(function, self.options)

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    construct.__signature__ = signature.replace(parameters=[own, *options])
    construct.__annotations__ = {option.name: option.annotation for option in options}
    return construct
