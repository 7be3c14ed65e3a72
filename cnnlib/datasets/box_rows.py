"""What an annotation file says of the objects in each image, whatever its format."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from cnnlib.datasets.problems import Problems
from cnnlib.types import Size

Edges = tuple[float, float, float, float]
"""Left, upper, right and lower edge in pixels; (0, 0) is the corner of the picture."""


class ObjectBox(NamedTuple):
    """One object."""

    label: str
    box: Edges


class BoxRow(NamedTuple):
    """The annotation of one image."""

    image: str
    """As the file names it."""
    place: str
    """Where it stands, for messages: ``labels.csv, line 3``."""
    objects: tuple[ObjectBox, ...]
    size: Size | None = None
    """Height and width of the picture, where the file says it."""


def object_box(label: object, edges: Iterable[object], place: str, problems: Problems) -> ObjectBox | None:
    """An object of these edges, numbers or texts; ``None``, and a problem, where they are no box."""
    values = [_number(edge) for edge in edges]
    told = f"{place}: {values}"
    if None in values:
        problems.add("boxes whose edges are no finite numbers", told)
        return None
    left, upper, right, lower = values
    if not (left < right and upper < lower):
        problems.add("boxes that are empty or inverted; expected xmin < xmax and ymin < ymax", told)
        return None
    if not (isinstance(label, str) and label.strip()):
        problems.add("objects without a class", place)
        return None
    return ObjectBox(label.strip(), (left, upper, right, lower))


def _number(value: object) -> float | None:
    """``None`` for what is no finite number."""
    try:
        found = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
