"""Boxes in JSON: of the VGG Image Annotator, and of COCO.

Sources: https://www.robots.ox.ac.uk/~vgg/software/via, https://cocodataset.org/#format-data ("Object Detection"). Only
what is needed here is read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cnnlib.checks import did_you_mean, expectation
from cnnlib.datasets.box_rows import BoxRow, ObjectBox, object_box
from cnnlib.datasets.problems import Problems
from cnnlib.types import CnnlibError


class _Region(BaseModel):
    shape_attributes: dict[str, Any]
    region_attributes: dict[str, Any]


class _ViaImage(BaseModel):
    filename: str
    regions: list[_Region] | dict[str, _Region] = []


class _Image(BaseModel):
    id: int | str
    file_name: str
    width: int | None = None
    height: int | None = None


class _Category(BaseModel):
    id: int | str
    name: str


class _Object(BaseModel):
    image_id: int | str
    category_id: int | str
    bbox: tuple[Any, Any, Any, Any]


class _Coco(BaseModel):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Object]


class _Via(BaseModel):
    images: dict[str, _ViaImage]


def parse_json(path: Path, class_attribute: str, problems: Problems) -> list[BoxRow]:
    """One row per image, of the format that the content says.

    Args:
        class_attribute: of VIA's regions, the attribute that is the class.

    Raises:
        CnnlibError: it is neither format, or no region has the ``class_attribute``.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
            return _coco_rows(_Coco.model_validate(content), path, problems)
        images = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
        if not isinstance(images, dict):
            raise CnnlibError("expected VIA's or COCO's JSON, a mapping")
        return _via_rows(_Via.model_validate({"images": images}), path, class_attribute, problems)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        place = ".".join(map(str, detail["loc"]))
        reason = f"{place} must be {expectation(detail)} (VIA's or COCO's JSON is expected)"
    except (OSError, ValueError, RecursionError, CnnlibError) as error:
        reason = str(error)
    raise CnnlibError(f"annotations {path} cannot be used: {reason}")


def _via_rows(via: _Via, path: Path, class_attribute: str, problems: Problems) -> list[BoxRow]:
    attributes: set[str] = set()
    rows = []
    for key, image in via.images.items():
        regions = image.regions.values() if isinstance(image.regions, dict) else image.regions
        objects: list[ObjectBox | None] = []
        for region in regions:
            attributes |= region.region_attributes.keys()
            shape, place = region.shape_attributes, f"{path}, {key}"
            if shape.get("name") != "rect":
                problems.add("regions that are no rectangles", f"{place}: {shape.get('name')!r}")
                continue
            x, y, width, height = (shape.get(name) for name in ("x", "y", "width", "height"))
            label = region.region_attributes.get(class_attribute)
            objects.append(_from_corner(label, x, y, width, height, place, problems))
        rows.append(BoxRow(image.filename, f"{path}, {key}", tuple(each for each in objects if each)))
    if attributes and class_attribute not in attributes:
        raise CnnlibError(
            f"no region has the attribute {class_attribute!r}{did_you_mean(class_attribute, attributes)}; set "
            f"class_attribute to one of {', '.join(sorted(attributes))}"
        )
    return rows


def _coco_rows(coco: _Coco, path: Path, problems: Problems) -> list[BoxRow]:
    names = {each.id: each.name for each in coco.categories}
    objects: dict[int | str, list[ObjectBox]] = {each.id: [] for each in coco.images}
    for number, each in enumerate(coco.annotations):
        place = f"{path}, annotations.{number}"
        if each.image_id not in objects or each.category_id not in names:
            problems.add("objects of an image or a category that the file does not list", place)
            continue
        found = _from_corner(names[each.category_id], *each.bbox, place, problems)
        objects[each.image_id] += [found] if found else []
    return [
        BoxRow(
            each.file_name,
            f"{path}, image {each.id}",
            tuple(objects[each.id]),
            (each.height, each.width) if each.height and each.width else None,
        )
        for each in coco.images
    ]


def _from_corner(
    label: object, x: object, y: object, width: object, height: object, place: str, problems: Problems
) -> ObjectBox | None:
    numbers = all(isinstance(each, int | float) for each in (x, y, width, height))
    try:
        edges = (
            (x, y, float(x) + float(width), float(y) + float(height)) if numbers else (x, y, width, height)
        )
    except OverflowError:
        edges = (x, y, None, None)
    return object_box(label, edges if numbers else (None,) * 4, place, problems)
