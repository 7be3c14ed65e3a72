"""Boxes in CSV files with a line per object."""

from __future__ import annotations

from pathlib import Path

from cnnlib.datasets.boxes.rows import BoxRow, ObjectBox, object_box, picture_size
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
        size = picture_size(row.get("height"), row.get("width"), place, problems)
        if size is not None and sizes.setdefault(row[image], size) != size:
            problems.add(
                "images that lines give different sizes",
                f"{place}: {size}, before {sizes[row[image]]} (height, width)",
            )
    return [BoxRow(name, places[name], tuple(each), sizes.get(name)) for name, each in objects.items()]
