"""What every loss is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor, nn


class Loss(nn.Module):
    """A module ``loss(pred, target, valid=None) -> scalar``; the base of every loss, yours included.

    All three are (B, C, H, W) and ``valid`` is bool: what is not valid adds nothing, neither value nor
    gradient, even where it is NaN. Half precision is computed in float32, also under autocast. Where
    nothing is valid, the loss is 0 and so is its gradient.

    Class attributes:
        tasks: the kinds of task it makes sense for.
        on_logits: it gets the model's raw outputs, because only there it is stable; the other losses
            get ``task.decode(logits)``.
        needs_image: it is called as ``loss(pred, target, valid, image=image)``.

    Raises:
        ValueError: when called with shapes that differ.
    """

    tasks: ClassVar[frozenset[str]]
    on_logits: ClassVar[bool] = False
    needs_image: ClassVar[bool] = False

    def __init__(self) -> None:  # says that there are no options, where nn.Module would take anything
        super().__init__()

    def prepare(self, targets: Iterable[Tensor]) -> None:
        """Called once, before training, with the valid target values of every training sample.

        The few losses that learn something from them walk ``targets`` once; the others leave it alone,
        so that a lazy iterable costs nothing.
        """
