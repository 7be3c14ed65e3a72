"""The one place that knows what a model's raw output means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from cnnlib.tasks.averages import mean, sums
from cnnlib.tasks.class_counts import ClassCounts
from cnnlib.types import CnnlibError, Head, LossInputs, Size, SplitMetric, Target, TargetInfo, View

Stored: TypeAlias = np.ndarray | dict[str, Any]
"""A prediction as it is saved: an array for a lossless PNG, (H, W) or (H, W, 3), or a row of ``<task>.csv``."""


class PlaceErrors(NamedTuple):
    """Where on an object predictions are off: ``places`` (K, 2) of a mean object around (0, 0), x to the right and y
    down, and the mean ``errors`` (K,) in the same unit, which ``unit`` names; NaN where nothing is known.
    """

    places: Tensor
    errors: Tensor
    unit: str


class Task(ABC):
    """What is predicted, and everything that depends on its meaning.

    Data, losses, metrics, saved files and pictures all go through these methods; no other code applies an activation,
    draws a target or asks what kind of task this is.

    A *value* is what ``Target.value`` holds; a *prediction* is what ``decode`` gives. ``as_prediction`` turns the first
    into the second (classes become one-hot probabilities); what is drawn, saved or averaged is always a prediction.

    Args:
        info: what the data set says of the target.

    Class attributes:
        kind: the name in ``TASKS``.
        default_loss: the name in ``LOSSES`` used where a config names none; an object may have another than its class.
        main_metric, higher_is_better: the metric that runs are ranked by.
        finer_metric: one of which lower is better, that distinguishes images alike in ``main_metric``; or none.
        full_size: a map must have the size of the image.
        alike: the axes of one sample's prediction along which its elements mean the same, as the pixels of a map do.

    Attributes:
        head: what it asks of the model.
        values: what it can offer to losses, the preferred one first; each is a name that losses know: ``logits`` (of
            yes or no), ``classes`` (logits along axis 1, integer targets without that axis), ``probabilities``,
            ``lengths`` (positive), ``directions`` (unit vectors along axis 1), ``coordinates`` (shares of the picture's
            longer side), ``boxes`` (xyxy, likewise), ``heatmaps``, ``numbers``.
        legend, error_legend: what the colours of ``draw`` and ``draw_error`` mean.
        file_note: how a saved prediction is to be read.
    """

    kind: ClassVar[str]
    default_loss: ClassVar[str]
    main_metric: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    finer_metric: ClassVar[str] = ""
    full_size: ClassVar[bool] = False
    alike: ClassVar[tuple[int, ...]] = ()
    head: Head
    values: tuple[str, ...]
    legend: str
    error_legend: str
    file_note: str

    def __init_subclass__(cls) -> None:
        if not cls.higher_is_better and cls.score is Task.score:
            raise TypeError(
                f"{cls.__name__}: where lower is better, override score(): its best is 1, and higher is better"
            )

    def __init__(self, info: TargetInfo) -> None:
        self.info = info

    # Data

    @abstractmethod
    def missing(self, size: Size) -> Target:
        """The target, not valid anywhere, of a sample of this size that has none; it defines shapes and dtypes."""

    def check(self, target: Target, size: Size) -> Target:
        """``target`` of a sample of this size with its valid mask filled in.

        Raises:
            CnnlibError: its shape or dtype is not what this kind of task takes, or one of its classes does not exist.
        """
        model = self.missing(size)
        value, valid = target
        valid = torch.ones_like(model.valid) if valid is None else valid
        for what, given, wanted in (("value", value, model.value), ("valid mask", valid, model.valid)):
            if _form(given) != _form(wanted):
                raise CnnlibError(f"the {what} must be {_form(wanted)}; it is {_form(given)}")
        target = Target(value, valid)
        if not value.is_floating_point():  # training would end at the first class that does not exist
            self.check_values(self.valid_values(target))
        return target

    def valid_values(self, target: Target) -> Tensor:
        """The values that count, (N,); (N, D) in tasks on vectors, to be checked as such."""
        return target.value[target.valid]

    def check_values(self, values: Tensor) -> None:
        """Raises ``CnnlibError`` where ``valid_values`` of training samples are not what this task can learn."""
        if not values.isfinite().all():
            raise CnnlibError("some valid targets are NaN or infinite; mark them as not valid")

    @abstractmethod
    def move(self, target: Target, view: View) -> Target:
        """The target after the image has moved; what has left the image is not valid."""

    def places(self, target: Target, view: View) -> Tensor:
        """Where the target is after the move, as far as it is places in the image: float (n, 2), as ``View.points``.

        An augmentation may keep them in the image. Maps and classes of the whole image have none.
        """
        return torch.zeros(0, 2)

    def describe(self, target: Target) -> dict[str, float | str]:
        """What a table of samples says of a target, as ``check`` gives it: numbers, and texts to be counted."""
        return {"known": float(target.valid.float().mean())}

    # Training

    def loss_inputs(self, values: str, raw: Tensor, target: Target, size: Size) -> LossInputs:
        """What a loss on ``values`` (one of ``self.values``) compares, given a batch's raw outputs and target."""
        return LossInputs(self.decode(raw, size), *target)

    @abstractmethod
    def decode(self, raw: Tensor, size: Size) -> Tensor:
        """Raw outputs of a batch to predictions, in the target's units, float32; coordinates in images of ``size``."""

    # Evaluation

    @abstractmethod
    def metric(self) -> SplitMetric:
        """Measures a split; nothing seen yet."""

    def class_counts(self, metric: SplitMetric) -> ClassCounts | None:
        """What ``metric``, one of this task's that has seen a split, counted; ``None`` where there are no classes."""
        return None

    def place_errors(self, pairs: Iterable[tuple[Tensor, Target]]) -> PlaceErrors | None:
        """Of ``info.names``, if they are places on an object; ``None`` if not, or if nothing is known."""
        return None

    def score(self, metrics: Mapping[str, float]) -> float:
        """``main_metric`` as a number that is 1 where perfect; the best checkpoint has the highest mean over tasks."""
        return metrics[self.main_metric]

    def as_prediction(self, value: Tensor) -> Tensor:
        """One sample's target value as the prediction that would be right."""
        return value.float()

    def as_value(self, prediction: Tensor) -> Tensor:
        """The inverse of ``as_prediction``: targets are saved as predictions."""
        return prediction

    def constant(self, targets: Iterable[Target]) -> Tensor:
        """A prediction that looks at no image, of one sample: the best for ``main_metric``, as far as that is simple.

        Here it is the mean of what is valid; a kind of task whose metric has a better one overrides this. Elements that
        are valid nowhere are filled from those that are ``alike`` (0 where nothing is valid at all).

        Args:
            targets: those that the training samples have.

        Raises:
            CnnlibError: the ``targets`` differ in shape, or there are none.
        """
        return mean(*sums(self.known(targets)), self.alike).float()

    def known(self, targets: Iterable[Target]) -> Iterator[Tensor]:
        """The targets as predictions, NaN where they are not valid.

        Raises:
            CnnlibError: they differ in shape, or there are none.
        """
        shape = None
        for target in targets:
            prediction = self.as_prediction(target.value)
            shape = prediction.shape if shape is None else shape
            if prediction.shape != shape:
                raise CnnlibError(
                    f"the constant predictor needs targets of one shape; one is {tuple(prediction.shape)}, the first "
                    f"was {tuple(shape)}: set the data set's size"
                )
            yield prediction.masked_fill(~self.expand_valid(target.valid, prediction), torch.nan)
        if shape is None:
            raise CnnlibError("no training sample has this target")

    def expand_valid(self, valid: Tensor, prediction: Tensor) -> Tensor:
        """One sample's valid mask in the shape of its prediction."""
        return valid.expand_as(prediction)

    def resize(self, prediction: Tensor, old: Size, new: Size) -> Tensor:
        """One sample's prediction for an image of size ``old``, brought to the same image at size ``new``."""
        return prediction

    def cut(self, prediction: Tensor, size: Size) -> Tensor:
        """One sample's prediction for a padded image, without the padding at the right and at the bottom."""
        return prediction

    # Pictures and files

    @abstractmethod
    def draw(self, prediction: Tensor, image: Tensor, valid: Tensor | None = None) -> Tensor:
        """A prediction as a picture, uint8 (3, h, w), on ``image`` float (3, H, W) where that is natural.

        What is not ``valid``, where the prediction was made from a target, is grey or left out.
        """

    @abstractmethod
    def draw_error(self, prediction: Tensor, target: Target, image: Tensor) -> Tensor:
        """Where a prediction is wrong, and how far, as a picture, uint8 (3, h, w)."""

    @abstractmethod
    def store(self, prediction: Tensor, valid: Tensor | None = None) -> Stored:
        """A prediction as it is saved; in a row, what is not ``valid`` is left empty (``None``)."""

    @abstractmethod
    def load(self, stored: Stored) -> Tensor:
        """The inverse of ``store``: the prediction that a PNG's array, or a row of text values, holds."""


def _form(value: Any) -> str:
    """``torch.float32 (1, 6, 10)``."""
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def check_names(info: TargetInfo, least: int, what: str) -> None:
    """Raises ``CnnlibError`` unless the target names at least ``least`` different classes or points (``what``)."""
    if len(info.names) < least or len(set(info.names)) < len(info.names):
        raise CnnlibError(
            f"a {info.kind} target needs the names of its {what}, at least {least} and all different; the data set "
            f"gives {', '.join(map(repr, info.names)) or 'none'}"
        )


def check_classes(values: Tensor, names: Sequence[str]) -> None:
    """Raises ``CnnlibError`` unless all values are indices of ``names``."""
    if len(values) and not 0 <= values.min() <= values.max() < len(names):
        raise CnnlibError(
            f"classes are indices from 0 to {len(names) - 1}, for there are {len(names)} classes; some targets lie "
            f"between {values.min()} and {values.max()}: name all classes, or mark what belongs to none as not valid"
        )
