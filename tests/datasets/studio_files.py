"""Exports of Label Studio, as it writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.datasets.pictures import photo, save

LABELS = {
    "pronation": ["1_Pronáció", "pronated"],
    "neutral": ["2_Neutrális", "semleges"],
    "supination": ["3_Szupináció"],
}


def annotation(*choices: str, by: Any = 1, cancelled: bool = False, control: str = "pose") -> dict[str, Any]:
    """With no choice, an annotation that was sent off empty."""
    result = {
        "value": {"choices": list(choices)},
        "id": "qd1jIVAq1h",
        "from_name": control,
        "to_name": "image",
        "type": "choices",
        "origin": "manual",
    }
    return {
        "id": 22,
        "completed_by": by,
        "result": [result] if choices else [],
        "was_cancelled": cancelled,
        "ground_truth": False,
        "created_at": "2024-01-30T02:40:43.893565Z",
    }


def task(
    image: str, *annotations: dict[str, Any], number: int = 1, upload: str | None = None
) -> dict[str, Any]:
    return {
        "id": number,
        "annotations": list(annotations),
        "file_upload": upload,
        "drafts": [],
        "predictions": [{"result": [{"type": "choices", "value": {"choices": ["3_Szupináció"]}}]}],
        "data": {"image": image},
        "meta": {},
    }


def uploaded(name: str, *annotations: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """A task whose image was uploaded: Label Studio puts a hash before its name."""
    stored = f"{number + 0xA1B2C3D0:08x}-{name}"
    return task(f"/data/upload/7/{stored}", *annotations, number=number, upload=stored)


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_participant(
    root: Path, name: str, labels: Sequence[str], start: int = 0, images: Iterable[str] | None = None
) -> None:
    """A folder with an image for each label, ``img_0.jpg``, ..., and the export that gives it."""
    names = list(images or [f"img_{index}.jpg" for index in range(start, start + len(labels))])
    for index, image in enumerate(names):
        save(photo(hash_of(name) + index), root / name / image)
    tasks = [
        uploaded(image, annotation(label), number=index)
        for index, (image, label) in enumerate(zip(names, labels, strict=True))
    ]
    write_json(root / name / "project-1-at-2024.json", tasks)


IMAGES = ["a", "b c", "d", "e", "f"]


def export() -> str:
    """Five images, one with several annotators and one with none, without ``LABELS``."""
    said = [["cat", "dog", "cat"], ["dog"], ["cat"], ["dog", "dog"], []]
    tasks = [
        uploaded(f"{name}.png", *[annotation(label, by=by) for by, label in enumerate(labels)], number=number)
        for number, (name, labels) in enumerate(zip(IMAGES, said, strict=True))
    ]
    return json.dumps(tasks)


def minimal_export() -> str:
    """The same in JSON_MIN, an annotation a row."""
    said = zip(["a", "a", "b c", "d", "e", "f"], ["cat", "cat", "dog", "cat", "dog", "dog"], strict=True)
    rows = [
        {
            "image": f"/data/upload/7/a1b2c3d{i}-{name}.png",
            "id": i,
            "choice": label,
            "annotator": i,
            "lead_time": 1.5,
        }
        for i, (name, label) in enumerate(said)
    ]
    return json.dumps(rows)


FORMATS = {"JSON": export, "JSON_MIN": minimal_export}


def hash_of(name: str) -> int:
    return 1000 * sum(name.encode())
