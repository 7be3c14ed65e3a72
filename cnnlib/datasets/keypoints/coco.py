"""Key points in COCO's JSON format.

Source: https://cocodataset.org/#format-data ("Keypoint Detection"). Only what is needed here is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel, FiniteFloat, ValidationError

from cnnlib.checks import expectation
from cnnlib.datasets.keypoints.rows import KeypointFile, KeypointRow
from cnnlib.datasets.problems import Problems


class _Image(BaseModel):
    id: int | str
    file_name: str


class _Category(BaseModel):
    id: int | str
    keypoints: tuple[str, ...] = ()


class _Object(BaseModel):
    image_id: int | str
    category_id: int | str
    keypoints: tuple[FiniteFloat, ...] = ()
    bbox: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat] | None = None


class _Coco(BaseModel):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Object]


def parse_coco(text: str, path: Path, problems: Problems) -> KeypointFile | None:
    """One row per annotated object. Points with visibility 0 are not known; objects without a known point are passed
    over, as are categories without points. ``bbox`` is x, y, width, height. ``None`` where it is another JSON file.
    """
    try:
        coco = _Coco.model_validate_json(text)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=True):
            problems.add("JSON files that do not hold COCO key points", f"{path}: {_fault(detail)}")
        return None
    names = {each.keypoints for each in coco.categories if each.keypoints}
    if len(names) != 1:
        problems.add(
            "JSON files that need one set of points, named in their category's `keypoints`",
            f"{path}: {len(names)} sets",
        )
        return None
    images = {each.id: each.file_name for each in coco.images}
    points = {each.id: len(each.keypoints) for each in coco.categories}
    rows = [
        _row(each, images, points, f"{path}, annotations.{index}", problems)
        for index, each in enumerate(coco.annotations)
    ]
    return KeypointFile(path, [row for row in rows if row is not None], *names)


def _row(
    given: _Object,
    images: Mapping[int | str, str],
    points: Mapping[int | str, int],
    place: str,
    problems: Problems,
) -> KeypointRow | None:
    count = points.get(given.category_id)
    if given.image_id not in images or count is None:
        problems.add(
            "annotations whose image_id or category_id the file does not have",
            f"{place}: {given.image_id!r}, {given.category_id!r}",
        )
        return None
    if len(given.keypoints) not in (0, 3 * count):
        problems.add(
            "annotations that do not have x, y and visibility for each point of their category",
            f"{place} ({images[given.image_id]}): {len(given.keypoints)} numbers, expected {3 * count}",
        )
        return None
    x, y, visibility = np.array(given.keypoints, np.float64).reshape(-1, 3).T
    if not visibility.any():
        return None
    xy = np.where(visibility[:, None] > 0, np.stack([x, y], axis=1), np.nan)
    box = None if given.bbox is None else np.array(given.bbox)
    if box is not None:
        box[2:] += box[:2]
    return KeypointRow(images[given.image_id], place, xy, box)


def _fault(detail: Mapping) -> str:
    """``annotations.3.image_id must be an integer; it is 'x'``."""
    place = ".".join(map(str, detail["loc"]))
    if detail["type"] == "json_invalid":
        return detail["msg"]
    if detail["type"] == "missing":
        return f"{place} is missing"
    return f"{place} must be {expectation(detail)}; it is {str(detail['input'])[:60]!r}"
