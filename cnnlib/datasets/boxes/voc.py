"""Boxes in the XML of Pascal VOC, a file per image, as labelImg and others write it.

Source: http://host.robots.ox.ac.uk/pascal/VOC ("annotation", "object", "bndbox"). Only what is needed here is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from defusedxml import ElementTree

from cnnlib.datasets.boxes.rows import BoxRow, object_box, picture_size
from cnnlib.datasets.problems import Problems

_EDGES = ("xmin", "ymin", "xmax", "ymax")


def parse_voc(path: Path, image: str, problems: Problems) -> BoxRow | None:
    """The objects of the ``image``; ``None``, and a problem, where it is no such XML."""
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except Exception as error:  # of the file system, the parser, its encodings, and its refusal of entities
        problems.add("XML files that cannot be read", f"{path}: {error or type(error).__name__}")
        return None
    if root.tag != "annotation":
        problems.add("XML files that are no Pascal VOC annotation", f"{path}: it begins with {root.tag!r}")
        return None
    found = [
        object_box(
            _text(each, "name"), [_text(each, f"bndbox/{edge}") for edge in _EDGES], str(path), problems
        )
        for each in root.iter("object")
    ]
    size = picture_size(_text(root, "size/height"), _text(root, "size/width"), str(path), problems)
    return BoxRow(image, str(path), tuple(each for each in found if each), size)


def _text(element: Any, path: str) -> str | None:
    found = element.findtext(path)
    return None if found is None else found.strip()
