"""What an annotation file says of the objects in each image, whatever its format."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from cnnlib.datasets.keypoints.rows import number
from cnnlib.datasets.problems import Problems
from cnnlib.types import Size

Edges = tuple[float, float, float, float]
"""Left, upper, right and lower edge in pixels; (0, 0) is the corner of the picture."""

_LONGEST_NAME = 200
_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, and halves of others


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


def object_box(label: object, edges: Sequence[object], place: str, problems: Problems) -> ObjectBox | None:
    """An object of these edges, numbers or texts; ``None``, and a problem, where they are no box."""
    values = [finite(edge) for edge in edges]
    if None in values:
        problems.add("boxes whose edges are no finite numbers", f"{place}: {_listed(edges)}")
        return None
    left, upper, right, lower = values
    if not (left < right and upper < lower):
        problems.add(
            "boxes that are empty or inverted; expected xmin < xmax and ymin < ymax",
            f"{place}: {_listed(values)}",
        )
        return None
    if not (isinstance(label, str) and label.strip()):
        problems.add("objects without a class", place)
        return None
    label = label.strip()
    if len(label) > _LONGEST_NAME or _NO_NAME.search(label):
        problems.add(
            f"classes that are no name: longer than {_LONGEST_NAME}, or with control characters",
            f"{place}: {label[:40]!r}",
        )
        return None
    return ObjectBox(label, (left, upper, right, lower))


def picture_size(height: object, width: object, place: str, problems: Problems) -> Size | None:
    """What a file says of its picture's size; ``None`` where it says nothing, or 0, as tools do that do not know it."""
    sides = [0.0 if side in (None, "") else finite(side) for side in (height, width)]
    if any(side is None or side < 0 or side % 1 for side in sides):
        problems.add(
            "sizes of pictures that are no integers",
            f"{place}: {_listed([height, width])} (height, width)",
        )
        return None
    return (int(sides[0]), int(sides[1])) if all(sides) else None


def finite(value: object) -> float | None:
    """``None`` for what is no finite number: true and false are none."""
    if isinstance(value, str):
        found = number(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found = float(value) if abs(value) <= 1e300 else None
    else:
        return None
    return None if found is None or math.isnan(found) else found


def opposite_edges(corner_and_extent: Sequence[object]) -> list[object]:
    """Left, upper, right and lower edge from x, y, width and height; as they came where one of them is no number."""
    values = [finite(each) for each in corner_and_extent]
    if None in values:
        return list(corner_and_extent)
    x, y, width, height = values
    return [x, y, x + width, y + height]


def area(box: Sequence[float]) -> float:
    """Of edges in Python's numbers, which become infinite without a warning."""
    left, upper, right, lower = box
    return (right - left) * (lower - upper)


def _listed(values: Sequence[object]) -> str:
    return f"[{', '.join(str(value)[:20] for value in values)}]"
