"""Annotation files of boxes: which format one has."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cnnlib.datasets.box_json import parse_json
from cnnlib.datasets.box_rows import BoxRow
from cnnlib.datasets.box_tables import parse_csv, parse_text
from cnnlib.datasets.box_voc import parse_voc
from cnnlib.datasets.problems import Problems
from cnnlib.types import CnnlibError

_OF_ONE_IMAGE = {".xml": parse_voc, ".txt": parse_text}


class BoxFile(NamedTuple):
    """One annotation file, or a folder of them."""

    path: Path
    rows: list[BoxRow]


def read_boxes(path: Path, class_attribute: str, problems: Problems) -> BoxFile:
    """A folder of XML or text files, or one JSON, CSV, XML or text file; images without an object are left out.

    Raises:
        CnnlibError: there is nothing of these, or it cannot be used.
    """
    if path.is_dir():
        parts = sorted(
            each
            for each in path.rglob("*")
            if each.suffix.lower() in _OF_ONE_IMAGE and each.is_file() and not each.name.startswith(".")
        )
        rows = [_OF_ONE_IMAGE[each.suffix.lower()](each, problems) for each in parts]
    elif not path.is_file():
        raise CnnlibError(f"annotations: there is no file or folder {path}")
    elif path.suffix.lower() in _OF_ONE_IMAGE:
        rows = [_OF_ONE_IMAGE[path.suffix.lower()](path, problems)]
    elif path.suffix.lower() == ".json":
        rows = parse_json(path, class_attribute, problems)
    else:
        rows = parse_csv(path, problems)
    found = [row for row in rows if row is not None and row.objects]
    if not found:
        problems.raise_any()
        raise CnnlibError(
            f"annotations: {path} holds no box; expected a folder of Pascal VOC's XML or of text files, VIA's or "
            "COCO's JSON, or a CSV file"
        )
    return BoxFile(path, found)
