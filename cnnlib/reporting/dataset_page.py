"""One page about a data set, made from a table with a row for each of its samples."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cnnlib import __version__
from cnnlib.reporting.templates import TEMPLATES

Rows: TypeAlias = Sequence[Mapping[str, Any]]
_PARTS = ("train", "val", "test")
_MOST = 12  # sizes, kinds of files, copies and problems that the page lists


@dataclass(frozen=True)
class Channel:
    """Of the training split's images, over all pixels; in [0, 1]."""

    name: str
    mean: float
    std: float


@dataclass(frozen=True)
class Summary:
    """Numbers of one split."""

    count: int
    least: float
    mean: float
    most: float


def render_dataset(
    name: str,
    facts: Mapping[str, str],
    rows: Rows,
    channels: Sequence[Channel],
    problems: Sequence[str],
    sheet: bytes,
    command: str,
) -> str:
    """The page's HTML.

    Args:
        rows: ``split`` and ``name``; where they are known ``group``, ``labels`` (names with spaces between),
            ``height`` and ``width``, ``stored`` (size), ``mode``, ``sha256``, ``problem``; and ``<task>/<what>``,
            numbers and texts, of each target.
        problems: in words.
        sheet: a picture of some samples, PNG.
        command: that makes the page.
    """
    copies = find_copies(rows)
    tasks = list(dict.fromkeys(key.partition("/")[0] for row in rows for key in row if "/" in key))
    return TEMPLATES.get_template("dataset.html").render(
        name=name,
        facts=facts,
        indices={part: index for index, part in enumerate(_PARTS)},
        splits=_splits(rows),
        count=len(rows),
        channels=channels,
        sizes=most_common(rows, "stored") or most_common(rows, "size"),
        modes=most_common(rows, "mode"),
        targets={task: _target(rows, task) for task in tasks},
        problems=problems[:_MOST],
        more_problems=max(0, len(problems) - _MOST),
        across=[each for each in copies if len({row["split"] for row in each}) > 1],
        within=[each for each in copies if len({row["split"] for row in each}) == 1],
        most=_MOST,
        sheet="data:image/png;base64," + base64.b64encode(sheet).decode(),
        command=command,
        version=__version__,
    )


def find_copies(rows: Rows) -> list[list[Mapping[str, Any]]]:
    """The rows of samples with equal content, together."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if digest := row.get("sha256"):
            found.setdefault(digest, []).append(row)
    return [each for each in found.values() if len(each) > 1]


def class_counts(rows: Rows, column: str) -> dict[str, dict[str, int]]:
    """By text of a column, the most frequent first: how often it occurs in each split."""
    total = Counter(row[column] for row in rows if isinstance(row.get(column), str))
    counts = Counter((row[column], row["split"]) for row in rows if isinstance(row.get(column), str))
    return {text: {part: counts[text, part] for part in _PARTS} for text, _ in total.most_common()}


def summarise(rows: Rows, column: str) -> dict[str, Summary]:
    """By split, the numbers of a column that are known."""
    found = {}
    for part in _PARTS:
        values = [
            row[column] for row in rows if row["split"] == part and isinstance(row.get(column), int | float)
        ]
        values = [value for value in values if math.isfinite(value)]
        if values:
            found[part] = Summary(len(values), min(values), math.fsum(values) / len(values), max(values))
    return found


def most_common(rows: Rows, column: str) -> list[tuple[str, int]]:
    """Texts of a column and how often each occurs; ``size`` is the sample's, width x height."""
    texts = (
        f"{row['width']} x {row['height']}" if column == "size" and "width" in row else row.get(column)
        for row in rows
    )
    return Counter(text for text in texts if text).most_common()


def _splits(rows: Rows) -> dict[str, dict[str, int]]:
    """Of each split: samples, groups, and how many have each label."""
    labels = list(dict.fromkeys(label for row in rows for label in row.get("labels", "").split()))
    found = {}
    for part in _PARTS:
        own = [row for row in rows if row["split"] == part]
        found[part] = {"samples": len(own)}
        if groups := {row["group"] for row in own if row.get("group") is not None}:
            found[part]["groups"] = len(groups)
        found[part] |= {
            f"with {label}": sum(label in row.get("labels", "").split() for row in own) for label in labels
        }
    return found


def _target(rows: Rows, task: str) -> dict[str, Any]:
    """What is known of one target: ``numbers`` by what and split, ``classes`` by what, class and split."""
    columns = list(dict.fromkeys(key for row in rows for key in row if key.startswith(f"{task}/")))
    numbers = {column.partition("/")[2]: summarise(rows, column) for column in columns}
    classes = {column.partition("/")[2]: class_counts(rows, column) for column in columns}
    return {
        "numbers": {what: found for what, found in numbers.items() if found},
        "classes": {what: found for what, found in classes.items() if found},
    }
