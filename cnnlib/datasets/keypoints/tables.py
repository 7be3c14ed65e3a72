"""Points of images in CSV files, and in text files with lines ``name x y``."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cnnlib.datasets.keypoints.rows import KeypointFile, KeypointRow, number
from cnnlib.datasets.problems import Problems

_BOX = ("xmin", "ymin", "xmax", "ymax")
_NUMBERED = re.compile(r"([xy])_?(\d*)", re.IGNORECASE)  # x0, y_12, x
_NAMED = re.compile(r"(.+)_([xy])", re.IGNORECASE)  # nose_x
_NAME_WITH_ENDING = re.compile(r"(.*\.(?:jpe?g|png))\s+(.*)", re.IGNORECASE)


class _Columns(NamedTuple):
    header: Sequence[str]
    points: list[tuple[int, int]]  # the indices of x and y
    box: list[int]
    names: tuple[str, ...]


def parse_csv(text: str, path: Path, problems: Problems) -> KeypointFile | None:
    """One row per image: its name, then x and y of each point, and perhaps a box.

    The columns behind the first are ``x0,y0,x1,y1,...``, or ``<point>_x,<point>_y,...``, or numbered ``0,1,2,...``
    as x, y, x, y (so they are, too, where no line is a header). A box stands in ``xmin,ymin,xmax,ymax``; columns
    ``<point>_confidence``, as predictions have them, are passed over. ``None`` where the columns are not known.
    """
    reader = csv.reader(io.StringIO(text))
    lines = [
        (reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))
    ]
    first = lines[0][1] if lines else []
    header = first if _is_header(first) else ["", *map(str, range(len(first) - 1))]
    columns = _columns(header, path, problems)
    if columns is None:
        return None
    rows = [
        _csv_row(columns, cells, f"{path}, line {line}", problems) for line, cells in lines[header is first :]
    ]
    return KeypointFile(path, [row for row in rows if row is not None], columns.names)


def parse_text(text: str, path: Path, problems: Problems) -> KeypointFile:
    """Lines ``name x y [x y ...]``, separated by blanks that the name may contain; lines with ``#`` are comments."""
    rows: list[KeypointRow] = []
    for line, content in enumerate(text.splitlines(), 1):
        content, place = content.strip(), f"{path}, line {line}"
        if not content or content.startswith("#"):
            continue
        name, words = _name_and_numbers(content)
        if not words or len(words) % 2:
            problems.add(
                "lines that are not `name x y [x y ...]`, separated by blanks", f"{place}: {content[:60]!r}"
            )
        elif rows and len(words) != rows[0].points.size:
            problems.add(
                "lines with another number of coordinates than the first",
                f"{place}: {len(words)}, expected {rows[0].points.size}",
            )
        else:
            values = _numbers(words, [f"number {i}" for i in range(1, len(words) + 1)], place, problems)
            rows.append(KeypointRow(name, place, values.reshape(-1, 2)))
    return KeypointFile(path, rows)


def is_text(line: str) -> bool:
    """Whether the first line of a table separates by blanks instead of commas."""
    *_, before, last = ["", "", *line.split()]
    return "," not in line or bool(before and number(before) is not None and number(last) is not None)


def _is_header(cells: Sequence[str]) -> bool:
    return any(number(cell) is None for cell in cells[1:]) or cells[1:] == [
        str(i) for i in range(len(cells) - 1)
    ]


def _columns(header: Sequence[str], path: Path, problems: Problems) -> _Columns | None:
    """Which columns hold what; ``None`` where that is ambiguous, which is a problem."""
    lower = [column.lower() for column in header]
    box = [lower.index(name) for name in _BOX if name in lower]
    rest = [i for i in range(1, len(header)) if lower[i] not in _BOX and not lower[i].endswith("_confidence")]
    points, names = _numbered_pairs(header, rest) or _named_pairs(header, rest) or ([], ())
    if points and len(box) in (0, 4) and len(set(header)) == len(header):
        return _Columns(header, points, box, names)
    problems.add(
        "CSV files whose columns are not known; expected the image's name, then x0,y0,x1,y1,... or "
        "<point>_x,<point>_y,... or 0,1,2,..., and no or all of xmin,ymin,xmax,ymax",
        f"{path}: {', '.join(header)[:100]}",
    )
    return None


def _numbered_pairs(
    header: Sequence[str], columns: Sequence[int]
) -> tuple[list[tuple[int, int]], tuple[()]] | None:
    """The columns ``0,1,2,...`` or ``x0,y0,...`` of x and y by the points' numbers."""
    if all(header[i].isdecimal() for i in columns):
        pairs = list(zip(columns[::2], columns[1::2], strict=False))
        return (pairs, ()) if 2 * len(pairs) == len(columns) else None
    found = [_NUMBERED.fullmatch(header[i]) for i in columns]
    if not all(found):
        return None
    places = {(int(each[2] or 0), each[1].lower()): i for each, i in zip(found, columns, strict=True)}
    numbers = sorted({number for number, _ in places})
    if len(places) < len(columns) or len(places) < 2 * len(numbers):
        return None
    return [(places[number, "x"], places[number, "y"]) for number in numbers], ()


def _named_pairs(
    header: Sequence[str], columns: Sequence[int]
) -> tuple[list[tuple[int, int]], tuple[str, ...]] | None:
    """The columns ``<point>_x,<point>_y`` by the points' names, in the order in which they first occur."""
    found = [_NAMED.fullmatch(header[i]) for i in columns]
    if not all(found):
        return None
    places = {(each[1], each[2].lower()): i for each, i in zip(found, columns, strict=True)}
    names = tuple(dict.fromkeys(name for name, _ in places))
    if len(places) < len(columns) or len(places) < 2 * len(names):
        return None
    return [(places[name, "x"], places[name, "y"]) for name in names], names


def _csv_row(columns: _Columns, cells: Sequence[str], place: str, problems: Problems) -> KeypointRow | None:
    if len(cells) != len(columns.header):
        problems.add(
            "lines with another number of cells than the first",
            f"{place}: {len(cells)}, expected {len(columns.header)}",
        )
        return None
    if not cells[0]:
        problems.add("lines without the name of an image", place)
        return None
    wanted = [i for pair in columns.points for i in pair] + columns.box
    values = _numbers(
        [cells[i] for i in wanted], [f"column {columns.header[i]!r}" for i in wanted], place, problems
    )
    points, box = np.split(values, [2 * len(columns.points)])
    known = columns.box and not np.isnan(box).any()
    return KeypointRow(cells[0], place, points.reshape(-1, 2), box if known else None)


def _numbers(texts: Sequence[str], what: Sequence[str], place: str, problems: Problems) -> np.ndarray:
    """NaN where nothing is known, and where there is a problem."""
    values = [number(text) for text in texts]
    for value, text, where in zip(values, texts, what, strict=True):
        if value is None:
            problems.add("cells that are not numbers", f"{place}, {where}: {text[:60]!r}")
    return np.array([np.nan if value is None else value for value in values])


def _name_and_numbers(line: str) -> tuple[str, list[str]]:
    """Without an ending, a name ends where numbers begin; one that is left over belongs to the name."""
    if found := _NAME_WITH_ENDING.fullmatch(line):
        return found[1], found[2].split()
    words = line.split()
    count = 0
    while count < len(words) - 1 and number(words[-1 - count]) is not None:
        count += 1
    count -= count % 2
    return (line.rsplit(maxsplit=count)[0], words[-count:]) if count else (line, [])
