"""Boxes in CSV files and in text files with a line per object."""

from __future__ import annotations

from pathlib import Path

from cnnlib.datasets.box_rows import BoxRow, ObjectBox, object_box
from cnnlib.datasets.listing import read_table
from cnnlib.datasets.problems import Problems
from cnnlib.types import CnnlibError, Size

_EDGES = ("xmin", "ymin", "xmax", "ymax")
_IMAGE = ("filename", "name", "image", "file")
_CLASS = ("class", "label", "predicted")


def parse_csv(path: Path, problems: Problems) -> list[BoxRow]:
    """A line per object: the image's name, the class, and ``xmin,ymin,xmax,ymax``; ``width,height`` of the picture.

    Raises:
        CnnlibError: a column is missing, or it is no CSV file.
    """
    table = read_table(path, _EDGES, "annotations")
    columns = table[0].keys() if table else ()
    image, label = (next((each for each in names if each in columns), None) for names in (_IMAGE, _CLASS))
    if table and None in (image, label):
        raise CnnlibError(
            f"annotations {path} needs a column of the image's name ({', '.join(_IMAGE)}) and one of the class "
            f"({', '.join(_CLASS)}); it has {', '.join(columns)}"
        )
    objects: dict[str, list[ObjectBox]] = {}
    sizes: dict[str, Size] = {}
    places: dict[str, str] = {}
    for number, row in enumerate(table, start=2):
        place = f"{path}, line {number}"
        places.setdefault(row[image], place)
        found = object_box(row[label], [row[edge] for edge in _EDGES], place, problems)
        objects.setdefault(row[image], []).extend([found] if found else [])
        width, height = row.get("width", ""), row.get("height", "")
        if width.isdecimal() and height.isdecimal() and len(width + height) < 12 and int(width) * int(height):
            sizes[row[image]] = int(height), int(width)
    return [BoxRow(name, places[name], tuple(each), sizes.get(name)) for name, each in objects.items()]


def parse_text(path: Path, problems: Problems) -> BoxRow | None:
    """A line ``class xmin ymin xmax ymax`` for each object of the image that is called as the file is."""
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
    return BoxRow(path.stem, str(path), tuple(each for each in objects if each))
