"""Annotation files of boxes: which format one has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cnnlib.datasets.boxes.csv_files import parse_csv
from cnnlib.datasets.boxes.json_files import parse_json
from cnnlib.datasets.boxes.rows import BoxRow
from cnnlib.datasets.boxes.text_files import parse_text
from cnnlib.datasets.boxes.voc import parse_voc
from cnnlib.datasets.problems import Problems
from cnnlib.types import CnnlibError

_OF_ONE_IMAGE: dict[str, Callable[[Path, str, Problems], BoxRow | None]] = {
    ".xml": parse_voc,
    ".txt": parse_text,
}
_MOST_BYTES = 2**20  # of one image's file: thousands of objects


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
        rows = [_of_one_image(each, path, problems) for each in _files_in(path)]
    elif not path.is_file():
        raise CnnlibError(f"annotations: there is no file or folder {path}")
    elif path.suffix.lower() in _OF_ONE_IMAGE:
        rows = [_of_one_image(path, path.parent, problems)]
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


def _files_in(folder: Path) -> list[Path]:
    """The XML files in it and all folders in it; where there is none, the text files. Hidden ones are passed over."""
    shown = [
        each
        for each in sorted(folder.rglob("*"))
        if not any(part.startswith(".") for part in each.relative_to(folder).parts) and each.is_file()
    ]
    by_suffix = ([each for each in shown if each.suffix.lower() == suffix] for suffix in _OF_ONE_IMAGE)
    return next(filter(None, by_suffix), [])


def _of_one_image(path: Path, folder: Path, problems: Problems) -> BoxRow | None:
    if path.stat().st_size > _MOST_BYTES:
        problems.add(f"annotations of one image with more than {_MOST_BYTES} bytes", str(path))
        return None
    image = path.relative_to(folder).with_suffix("").as_posix()
    return _OF_ONE_IMAGE[path.suffix.lower()](path, image, problems)
