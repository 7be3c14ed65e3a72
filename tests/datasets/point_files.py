"""The same points in every format that annotation tools write."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.datasets.pictures import HEIGHT, WIDTH

IMAGES = ("a b", "c", "d_1", "e, f")
POINTS = {
    name: np.random.default_rng(i).uniform(2, 22, (2, 2)).round(2) for i, name in enumerate(IMAGES)
}  # in pixels
BOX = ("1", "2", "21.5", "20")  # xyxy


def texts(name: str, unit: Callable[[np.ndarray], np.ndarray] = lambda xy: xy) -> list[str]:
    return [f"{value:.10g}" for value in unit(POINTS[name]).ravel()]


def shares(xy: np.ndarray) -> np.ndarray:
    return (xy + 0.5) / (WIDTH, HEIGHT)


def csv_text(header: str, unit: Callable[[np.ndarray], np.ndarray] = lambda xy: xy) -> str:
    rows = [",".join([f'"{name}.jpg"', *texts(name, unit)]) for name in IMAGES]
    return "\n".join([header, *rows] if header else rows)


def coco() -> dict[str, Any]:
    names = ["left_eye", "right_eye"]
    return {
        "images": [{"id": i, "file_name": f"{name}.jpg", "width": WIDTH} for i, name in enumerate(IMAGES)],
        "categories": [{"id": 7, "name": "face", "keypoints": names}, {"id": 8, "name": "car"}],
        "annotations": [
            {
                "image_id": i,
                "category_id": 7,
                "keypoints": [*POINTS[name][0], 2, *POINTS[name][1], 1],
                "bbox": [1, 2, 20.5, 18],
            }
            for i, name in enumerate(IMAGES)
        ]
        + [{"image_id": 0, "category_id": 8, "bbox": [0, 0, 5, 5]}]
        + [{"image_id": 0, "category_id": 7, "keypoints": [0] * 6, "num_keypoints": 0}],
    }


FORMATS = {
    "numbered as by pandas": csv_text(",0,1,2,3"),
    "x0,y0": csv_text("file,x0,y0,x1,y1"),
    "named": csv_text("name, left_eye_x, left_eye_y, right_eye_x, right_eye_y"),
    "without a header": csv_text(""),
    "in shares": csv_text("name,x_1,y_1,x_2,y_2", shares),
    "axis by axis": "\n".join(
        ["name,x0,x1,y0,y1", *(f'"{name}",' + ",".join(map(str, POINTS[name].T.ravel())) for name in IMAGES)]
    ),
    "predictions": "\n".join(
        ["name,p_x,p_y,p_confidence,q_x,q_y,q_confidence"]
        + ['"{}",{},{},0.5,{},{},'.format(name, *texts(name)) for name in IMAGES]
    ),
    "text": "# phones\n\n" + "\n".join(f"{name}.jpg\t{'  '.join(texts(name))}" for name in IMAGES),
    "text in shares": "\n".join(f"{name} {' '.join(texts(name, shares))}" for name in IMAGES),
    "COCO": json.dumps(coco()),
}
