"""Boxes in the JSON of the VGG Image Annotator.

Source: https://www.robots.ox.ac.uk/~vgg/software/via. Only what is needed here is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from cnnlib.checks import did_you_mean
from cnnlib.datasets.boxes.rows import BoxRow, ObjectBox, object_box, opposite_edges
from cnnlib.datasets.problems import Problems
from cnnlib.types import CnnlibError


class _Region(BaseModel):
    shape_attributes: dict[str, Any]
    region_attributes: dict[str, Any]


class _Image(BaseModel):
    filename: str
    regions: list[_Region] | dict[str, _Region] = []


_IMAGES = TypeAdapter(dict[str, _Image])


def via_rows(content: Any, path: Path, class_attribute: str, problems: Problems) -> list[BoxRow]:
    """One row per image; ``class_attribute`` of its regions is the class.

    Raises:
        pydantic.ValidationError: the ``content`` is not VIA's.
        CnnlibError: no region has the ``class_attribute``.
    """
    rows, attributes = [], set()
    for key, image in _IMAGES.validate_python(content).items():
        place = f"{path}, {key}"
        regions = list(image.regions.values() if isinstance(image.regions, dict) else image.regions)
        attributes |= {name for region in regions for name in region.region_attributes}
        objects = [_object(region, class_attribute, place, problems) for region in regions]
        rows.append(BoxRow(image.filename, place, tuple(each for each in objects if each)))
    if attributes and class_attribute not in attributes:
        raise CnnlibError(
            f"no region has the attribute {class_attribute!r}{did_you_mean(class_attribute, attributes)}; set "
            f"class_attribute to one of {', '.join(sorted(attributes))}"
        )
    return rows


def _object(region: _Region, class_attribute: str, place: str, problems: Problems) -> ObjectBox | None:
    shape = region.shape_attributes
    if shape.get("name") != "rect":
        problems.add("regions that are no rectangles", f"{place}: {shape.get('name')!r}")
        return None
    edges = opposite_edges([shape.get(name) for name in ("x", "y", "width", "height")])
    return object_box(region.region_attributes.get(class_attribute), edges, place, problems)
