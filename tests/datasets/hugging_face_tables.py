"""Small tables of Hugging Face's ``datasets``, made as people make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
from datasets import Array2D, ClassLabel, Dataset, Features, Image, List, Value
from PIL import Image as Pillow

from tests.datasets.pictures import HEIGHT, WIDTH, disc, photo, ramp

datasets.disable_progress_bars()

FEATURES = Features(
    {
        "photo": Image(),
        "cutout": Image(),
        "depth": Image(),
        "parts": Array2D((HEIGHT, WIDTH), "uint8"),
        "animal": ClassLabel(names=["cat", "dog"]),
        "tags": List(ClassLabel(names=["big", "dark", "wet"])),
        "spots": List(List(Value("float32"))),
        "frame": List(Value("float32")),
        "scene": Value("int64"),
        "id": Value("string"),
    }
)

TARGETS: dict[str, Any] = {
    "mask": "cutout",
    "far": {"kind": "depth", "column": "depth", "scale": 0.02, "unit": "m"},
    "semantic": {"column": "parts", "names": ["other", "disc"]},
    "label": "animal",
    "kinds": {"kind": "label", "column": "tags"},
    "points": {"column": "spots", "names": ["left_ear", "right_ear"]},
    "box": "frame",
}


def rows(count: int) -> list[dict[str, Any]]:
    """Every third has no mask; the first has no second point."""
    return [
        {
            "photo": Pillow.fromarray(photo(number)),
            "cutout": None if number % 3 == 1 else Pillow.fromarray(disc()),
            "depth": Pillow.fromarray(ramp()),
            "parts": (disc() // 255).tolist(),
            "animal": number % 2,
            "tags": [[], [1], [0, 2]][number % 3],
            "spots": [[3.0 + number, 4.0], [None, None] if number == 0 else [20.0, 9.5]],
            "frame": [1.0, 2.0, 21.0, 12.0],
            "scene": number // 2,
            "id": f"x{number}",
        }
        for number in range(count)
    ]


def table(count: int) -> Dataset:
    return Dataset.from_list(rows(count), features=FEATURES)


def write_table(path: Path, count: int) -> None:
    table(count).save_to_disk(path)
