"""Boxes in JSON: which format a file has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cnnlib.checks import expectation
from cnnlib.datasets.boxes.coco import coco_rows
from cnnlib.datasets.boxes.rows import BoxRow
from cnnlib.datasets.boxes.via import via_rows
from cnnlib.datasets.problems import Problems, as_line
from cnnlib.types import CnnlibError


def parse_json(path: Path, class_attribute: str, problems: Problems) -> list[BoxRow]:
    """One row per image, of the format that the content says.

    Args:
        class_attribute: of VIA's regions, the attribute that is the class.

    Raises:
        CnnlibError: it is neither format, or no region has the ``class_attribute``.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_mapping)
        if not isinstance(content, dict):
            raise CnnlibError("VIA's or COCO's JSON is expected, a mapping")
        if {"images", "annotations"} <= content.keys():
            return coco_rows(content, path, problems)
        return via_rows(content.get("_via_img_metadata", content), path, class_attribute, problems)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        place = ".".join(map(str, detail["loc"]))
        what = "is missing" if detail["type"] == "missing" else f"must be {expectation(detail)}"
        reason = f"{place} {what} (VIA's or COCO's JSON is expected)"
    except RecursionError:
        reason = "its brackets are nested too deeply"
    except (OSError, ValueError, CnnlibError) as error:
        reason = str(error)
    raise CnnlibError(f"annotations {path} cannot be used: {as_line(reason)}")


def _mapping(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """One object of the file. Of a key that it has twice, one value would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise CnnlibError(f"an object has the key {twice!r} twice")
    return found
