"""Annotation files of points in images: which format one has, and which unit."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cnnlib.datasets.keypoints.coco import parse_coco
from cnnlib.datasets.keypoints.rows import KeypointFile, KeypointRow
from cnnlib.datasets.keypoints.tables import is_text, parse_csv, parse_text
from cnnlib.datasets.problems import Problems

_LONGEST_LINE = 2**19  # characters: some ten thousand points


def read_keypoints(path: Path, normalized: bool | None, problems: Problems) -> KeypointFile | None:
    """CSV, text or COCO's JSON, as the content says, without images of which no point is known.

    What is wrong with it is added to ``problems``; ``None`` where nothing of it can be used.

    Args:
        normalized: coordinates are shares of width and height; ``None``: as the values say.
    """
    try:
        found = _parse(path.read_text(encoding="utf-8-sig"), path, problems)
    except (OSError, ValueError, csv.Error) as error:
        problems.add("annotation files that cannot be read", f"{path}: {error}")
        return None
    if found is None:
        return None
    rows = [row for row in found.rows if row.known().any()]
    if not rows:
        problems.add("annotation files without a usable annotation", str(path))
        return None
    in_shares = _in_shares(rows, path, problems) if normalized is None else normalized
    return found._replace(rows=[row._replace(in_shares=in_shares) for row in rows])


def _parse(text: str, path: Path, problems: Problems) -> KeypointFile | None:
    lines = [line.strip() for line in text.splitlines()]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if first.startswith(("{", "[")):
        return parse_coco(text, path, problems)
    if longest := [line for line in lines if len(line) > _LONGEST_LINE][:1]:
        problems.add("files with lines too long for a table", f"{path}: {len(longest[0])} characters")
        return None
    return (parse_text if is_text(first) else parse_csv)(text, path, problems)


def _in_shares(rows: Sequence[KeypointRow], path: Path, problems: Problems) -> bool:
    """Whether all coordinates lie in [0, 1]. Where most but not all of them do, or nearly, nobody can know."""
    values = np.concatenate([row.points[row.known()].ravel() for row in rows])
    if ((values >= 0) & (values <= 1)).all() and (values % 1).any():
        return True
    if ((values > -1) & (values < 2)).mean() > 0.5:
        problems.add(
            "files whose coordinates may be pixels or shares of width and height; set normalized: true or false",
            f"{path}: from {values.min():g} to {values.max():g}",
        )
    return False
