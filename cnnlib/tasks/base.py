"""The one place that knows what a model's raw output means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from cnnlib.types import CnnlibError


class Task(ABC):
    """What is predicted, and everything that depends on its meaning.

    Loss, metrics, saved files and TensorBoard pictures all go through these methods; no other code applies an
    activation or a colour map.

    Class attributes:
        kind: the name in ``TASKS``.
        channels: channels of the logits.
        geometry: how a target follows the image when the view changes: ``"map"`` is warped with
            nearest neighbour; ``"depth"`` is warped alike and its metres are divided by the zoom.
        default_loss: the name in ``LOSSES`` used where a config names none.
        main_metric, higher_is_better: the number that runs are ranked by.
        file_note: how a saved prediction is to be read, for people.
    """

    kind: ClassVar[str]
    channels: ClassVar[int]
    geometry: ClassVar[Literal["map", "depth"]]
    default_loss: ClassVar[str]
    main_metric: ClassVar[str]
    higher_is_better: ClassVar[bool]
    file_note: str

    @abstractmethod
    def decode(self, logits: Tensor) -> Tensor:
        """Raw outputs (B, C, H, W) to predictions of the same shape, in the target's units, float32."""

    def check_targets(self, values: Tensor) -> None:
        """Raises ``CnnlibError`` where the targets are not what this task can learn.

        Args:
            values: the valid ones of some training samples, (N,).
        """
        if not values.isfinite().all():
            raise CnnlibError("some valid targets are NaN or infinite; mark them as not valid")

    @abstractmethod
    def score(self, metrics: Mapping[str, float]) -> float:
        """``main_metric`` as a number that is 1 where perfect; the best checkpoint has the highest mean over tasks."""

    @abstractmethod
    def draw(self, value: Tensor, valid: Tensor | None = None) -> Tensor:
        """A prediction or target (C, H, W) as a picture, uint8 (3, H, W). Invalid pixels are grey."""

    @abstractmethod
    def draw_error(self, prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Where a prediction (C, H, W) is wrong, and how far, as a picture, uint8 (3, H, W)."""

    @abstractmethod
    def to_file(self, prediction: Tensor) -> np.ndarray:
        """A prediction (C, H, W) as the array (H, W) that is written to a lossless PNG."""

    @abstractmethod
    def from_file(self, array: np.ndarray) -> Tensor:
        """The inverse of ``to_file``: what a PNG holds, as a float32 prediction (C, H, W)."""
