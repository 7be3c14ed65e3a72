"""Boxes in text files, a file per image with a line per object."""

from __future__ import annotations

from pathlib import Path

from cnnlib.datasets.boxes.rows import BoxRow, object_box
from cnnlib.datasets.problems import Problems


def parse_text(path: Path, image: str, problems: Problems) -> BoxRow | None:
    """A line ``class xmin ymin xmax ymax`` for each object of the ``image``."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        problems.add("text files that cannot be read", f"{path}: {error}")
        return None
    objects = []
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if not parts or line.startswith("#"):
            continue
        place = f"{path}, line {number}"
        if len(parts) != 5:
            problems.add("lines that are not `class xmin ymin xmax ymax`", f"{place}: {line[:80]!r}")
            continue
        objects.append(object_box(parts[0], parts[1:], place, problems))
    return BoxRow(image, str(path), tuple(each for each in objects if each))
