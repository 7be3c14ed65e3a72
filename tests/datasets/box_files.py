"""The same boxes in every format that annotation tools write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.datasets.pictures import HEIGHT, WIDTH, photo, save

OBJECTS = {
    "a": [("cat", (2, 3, 12, 15)), ("dog", (0, 0, 30, 18))],
    "b c": [("dog", (5, 1, 25, 9.5))],
    "d": [("cat", (10, 0, 32, 24))],
    "e": [("dog", (1, 1, 9, 9))],
}
_EDGES = ("xmin", "ymin", "xmax", "ymax")


def voc(name: str, objects: Any, size: tuple[int, int] = (HEIGHT, WIDTH)) -> str:
    """Of one image; ``size`` is height and width."""
    parts = "".join(
        f"<object><name>{label}</name><bndbox>"
        + "".join(f"<{edge}>{value}</{edge}>" for edge, value in zip(_EDGES, box, strict=True))
        + "</bndbox></object>"
        for label, box in objects
    )
    head = f"<filename>{name}.png</filename><size><width>{size[1]}</width><height>{size[0]}</height></size>"
    return f"<annotation>{head}{parts}</annotation>"


def _lines(objects: Any) -> str:
    return "\n".join(" ".join(map(str, (label, *box))) for label, box in objects)


def table() -> str:
    rows = [
        (f"{name}.png", WIDTH, HEIGHT, label, *box)
        for name, objects in OBJECTS.items()
        for label, box in objects
    ]
    head = ("filename", "width", "height", "class", *_EDGES)
    return "".join(",".join(map(str, row)) + "\n" for row in [head, *rows])


def via() -> dict[str, Any]:
    return {
        f"{name}.png123": {
            "filename": f"{name}.png",
            "size": 123,
            "regions": [
                {
                    "shape_attributes": {"name": "rect"}
                    | dict(zip(("x", "y", "width", "height"), _corner_and_extent(box), strict=True)),
                    "region_attributes": {"class": label, "color": "white"},
                }
                for label, box in objects
            ],
        }
        for name, objects in OBJECTS.items()
    }


def coco() -> dict[str, Any]:
    ids = {"cat": 7, "dog": 9}
    return {
        "images": [
            {"id": i, "file_name": f"{name}.png", "width": WIDTH, "height": HEIGHT}
            for i, name in enumerate(OBJECTS)
        ],
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
        "annotations": [
            {"image_id": i, "category_id": ids[label], "bbox": _corner_and_extent(box)}
            for i, objects in enumerate(OBJECTS.values())
            for label, box in objects
        ],
    }


def _corner_and_extent(box: Any) -> list[float]:
    left, upper, right, lower = box
    return [left, upper, right - left, lower - upper]


FORMATS: dict[str, Callable[[], dict[str, str]]] = {
    "VOC": lambda: {f"xml/{name}.xml": voc(name, objects) for name, objects in OBJECTS.items()},
    "text": lambda: {f"txt/{name}.txt": f"# class\n{_lines(objects)}\n" for name, objects in OBJECTS.items()},
    "CSV": lambda: {"boxes.csv": table()},
    "VIA": lambda: {"boxes.json": json.dumps(via())},
    "VIA project": lambda: {"boxes.json": json.dumps({"_via_img_metadata": via(), "_via_settings": {}})},
    "COCO": lambda: {"boxes.json": json.dumps(coco())},
}
"""The texts by their files' names."""


def write(root: Path, key: str) -> str:
    """Writes the files of one format; returns what ``annotations`` is then."""
    files = FORMATS[key]()
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return next(iter(files)).partition("/")[0]


def write_pictures(folder: Path) -> None:
    for seed, name in enumerate(OBJECTS):
        save(photo(seed, HEIGHT, WIDTH), folder / f"{name}.png")
