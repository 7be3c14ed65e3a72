"""The text files of a suite's folder; a damaged one is named, with what to do about it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnlib.files import read_bytes, read_json
from cnnlib.types import CnnlibError
from cnnlib.yaml_text import parse_texts


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's mapping with every value as the text that stands there: an experiment may be called ``on``.

    Raises:
        CnnlibError: missing, damaged, or no mapping.
    """
    try:
        value = parse_texts(_text(path))
    except ValueError as error:
        raise CnnlibError(f"{path}: not valid YAML ({error})") from None
    return _mapping(value, path)


def read_json_mapping(path: Path) -> dict[str, Any]:
    """
    Raises:
        FileNotFoundError: there is none.
        CnnlibError: damaged, or no mapping.
    """
    return _mapping(read_json(path), path)


def _mapping(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CnnlibError(f"{path}: must hold a mapping; it holds {type(value).__name__}")
    return value


def typed(value: Any) -> Any:
    """What the text of ``read_yaml`` stands for: ``10.0``, ``true`` and ``null``; anything else is text."""
    if isinstance(value, Mapping):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(map(typed, value))
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def read_columns(path: Path, text: Sequence[str] = ()) -> dict[str, list[Any]]:
    """The columns of a CSV file, none where there is no file: numbers, NaN where empty, except for those in ``text``.

    Raises:
        CnnlibError: damaged.
    """
    rows = parse_csv(_text(path), str(path)) if path.exists() else []
    return {
        column: [row[column] if column in text else _number(row[column], path) for row in rows]
        for column in (rows[0] if rows else ())
    }


def parse_csv(text: str, path: str) -> list[dict[str, str]]:
    """
    Raises:
        CnnlibError: no table, or a row that is shorter or longer than the header.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise CnnlibError(f"{path}: not a table ({error})") from None
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise CnnlibError(f"{path}: row {number} does not have the header's number of columns")
    return rows


def _number(text: str, path: Path) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise CnnlibError(f"{path}: {text!r} is not a number") from None


def with_nan(values: Mapping[str, float | None]) -> dict[str, float]:
    """Numbers as they were before JSON, which has no NaN."""
    return {key: math.nan if value is None else float(value) for key, value in values.items()}


def _text(path: Path) -> str:
    try:
        return read_bytes(path).decode()
    except FileNotFoundError:
        raise CnnlibError(f"{path}: missing; run the experiment again") from None
    except UnicodeDecodeError:
        raise CnnlibError(f"{path}: not a text file in UTF-8") from None
