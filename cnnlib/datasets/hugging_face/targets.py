"""Targets from the columns of a Hugging Face table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from cnnlib.checks import did_you_mean
from cnnlib.datasets.hugging_face.tables import library
from cnnlib.datasets.image_files import Stored, to_color
from cnnlib.datasets.map_files import to_gray, to_indices, to_lengths
from cnnlib.datasets.target_files import ABOUT_DATA, check_options, resized, target_info
from cnnlib.lookup import find
from cnnlib.tasks import TASKS, Task
from cnnlib.types import CnnlibError, Size, Target, TargetInfo

_FROM_PICTURE = {
    "gray": to_gray,
    "index": to_indices,
    "lengths": to_lengths,
    "color": lambda stored, place: np.array(to_color(stored, place)),
}


@dataclass(frozen=True)
class ColumnTarget:
    """One target, read from a column."""

    column: str
    task: Task
    by_index: bool = False
    """The column lists the indices of the classes that are true."""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def one_class(self) -> bool:
        """It is one class of a sample."""
        value = self.task.missing((1, 1)).value
        return value.ndim == 0 and not value.is_floating_point()

    def read(self, value: Any, stored: Size, size: Size, place: str) -> Target:
        """
        Args:
            value: decoded, and not ``None``.
            stored, size: of the sample's picture, as it is stored and as it is shown.
            place: the row in words, for messages.

        Raises:
            CnnlibError: the value cannot be such a target.
        """
        try:
            if hasattr(self.task, "from_pixels"):
                found, valid = self.task.from_pixels(self._pixels(value, place), **self.options)
                self.task.check(Target(found, valid), tuple(found.shape[-2:]))
                return Target(resized(found, size), None if valid is None else resized(valid, size))
            found, valid = self.task.check(self._numbers(value), stored)
            prediction = self.task.resize(self.task.as_prediction(found), stored, size)
            return Target(self.task.as_value(prediction).nan_to_num(0), valid)
        except (CnnlibError, ValueError, TypeError, OverflowError) as error:
            raise CnnlibError(f"{place}: not usable as {self.task.kind}: {error}") from None

    def class_of(self, value: Any) -> str | None:
        """Of a target that is ``one_class``: the class, as one text for its name and for its index."""
        if value is None or not isinstance(value, int | str):
            return None
        return (
            value
            if isinstance(value, str) or value >= len(self.task.info.names)
            else self.task.info.names[value]
        )

    def _pixels(self, value: Any, place: str) -> np.ndarray:
        if isinstance(value, Stored):
            return _FROM_PICTURE[self.task.pixels](value, place)
        array = np.asarray(value)
        wanted = 3 if self.task.pixels == "color" else 2
        if (
            array.ndim != wanted
            or array.dtype.kind not in "iub"
            or not 0 <= array.min() <= array.max() <= 65535
        ):
            raise CnnlibError(
                f"expected a picture, or levels of 8 or 16 bits with {wanted} axes; it has {array.dtype} {array.shape}"
            )
        return array.astype(np.uint8 if array.max() <= 255 else np.uint16)

    def _numbers(self, value: Any) -> Target:
        """In the pixels that their author sees; not valid where they are null."""
        model = self.task.missing((1, 1))
        if self.one_class:
            return Target(torch.tensor(self._index(value)), torch.tensor(True))
        if self.by_index:
            chosen = {self._index(each) for each in value}
            return Target(
                torch.tensor([float(index in chosen) for index in range(len(self.task.info.names))])
            )
        flat = [math.nan if each is None else float(each) for each in _flat(value)]
        if len(flat) != model.value.numel():
            raise CnnlibError(f"expected {model.value.numel()} numbers; it has {len(flat)}")
        found = torch.tensor(flat, dtype=model.value.dtype).view(model.value.shape)
        valid = found.isfinite()
        while valid.ndim > model.valid.ndim:
            valid = valid.all(-1)
        return Target(found.nan_to_num(0), valid)

    def _index(self, value: Any) -> int:
        names = self.task.info.names
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise CnnlibError(f"expected the index or the name of a class; it is {value!r}")
        if isinstance(value, str) and value not in names:
            raise CnnlibError(
                f"no class is named {value!r}{did_you_mean(value, names)}; names are {', '.join(names)}"
            )
        if isinstance(value, int) and not 0 <= value < len(names):
            raise CnnlibError(f"there are {len(names)} classes; there is no index {value}")
        return names.index(value) if isinstance(value, str) else value


def column_target(key: str, given: Mapping[str, Any], feature: Any) -> ColumnTarget:
    """The target ``key`` as a configuration describes it.

    Args:
        given: ``column``, and options.
        feature: what ``datasets`` says of the column; names of classes are taken from it.

    Raises:
        CnnlibError: the description cannot work.
    """
    options = {name: value for name, value in given.items() if name != "column"}
    kind = options.pop("kind", key)
    about = {name: options.pop(name) for name in ABOUT_DATA if name in options}
    inner = getattr(feature, "feature", None)
    classes = next((each for each in (feature, inner) if isinstance(each, library().ClassLabel)), None)
    by_index = classes is not None and classes is inner
    if classes is not None:
        about = {"names": list(classes.names), "multi_label": by_index} | about
    info: TargetInfo = target_info({"kind": kind, **about})
    task = find(kind, TASKS, f"kind of target (targets.{key})", (Task,))
    check_options(getattr(task, "from_pixels", None), options, ("column",))
    return ColumnTarget(given["column"], task(info=info), by_index, options)


def _flat(value: Any) -> list[Any]:
    return [each for part in value for each in _flat(part)] if isinstance(value, list | tuple) else [value]
