"""Boxes in COCO's JSON format.

Source: https://cocodataset.org/#format-data ("Object Detection"). Only what is needed here is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cnnlib.datasets.boxes.rows import BoxRow, ObjectBox, object_box, opposite_edges, picture_size
from cnnlib.datasets.problems import Problems


class _Image(BaseModel):
    id: int | str
    file_name: str
    width: Any = None
    height: Any = None


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


def coco_rows(content: Any, path: Path, problems: Problems) -> list[BoxRow]:
    """One row per image; ``bbox`` is x, y, width, height.

    Raises:
        pydantic.ValidationError: the ``content`` is not COCO's.
    """
    coco = _Coco.model_validate(content)
    _check_ids(coco.images, f"{path}, images", problems)
    _check_ids(coco.categories, f"{path}, categories", problems)
    names = {each.id: each.name for each in coco.categories}
    objects: dict[int | str, list[ObjectBox]] = {each.id: [] for each in coco.images}
    for number, each in enumerate(coco.annotations):
        place = f"{path}, annotations.{number}"
        if each.image_id not in objects or each.category_id not in names:
            problems.add("objects of an image or a category that the file does not list", place)
            continue
        found = object_box(names[each.category_id], opposite_edges(each.bbox), place, problems)
        objects[each.image_id] += [found] if found else []
    return [_row(each, objects[each.id], f"{path}, image {each.id}", problems) for each in coco.images]


def _row(image: _Image, objects: Sequence[ObjectBox], place: str, problems: Problems) -> BoxRow:
    size = picture_size(image.height, image.width, place, problems)
    return BoxRow(image.file_name, place, tuple(objects), size)


def _check_ids(entries: Sequence[_Image] | Sequence[_Category], place: str, problems: Problems) -> None:
    """Of two entries of one id, nobody knows which an object belongs to."""
    for found, count in Counter(each.id for each in entries).items():
        if count > 1:
            problems.add("ids that several entries have", f"{place}: {found!r}")
