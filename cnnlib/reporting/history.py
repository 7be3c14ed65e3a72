"""``metrics.csv``: one row per epoch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cnnlib.files import write_csv


class HistoryFile:
    """Writes every epoch's numbers, whole each time, so that a kill leaves a complete file.

    Args:
        path: the CSV file.
        rows: of the completed epochs.
    """

    def __init__(self, path: Path, rows: list[dict[str, float]]) -> None:
        self.path = path
        self.rows = list(rows)

    def log_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        self.rows.append(dict(scalars))
        first = ["epoch", "seconds", "images_per_second", "learning_rate"]
        write_csv(self.path, first + [key for key in self.rows[0] if key not in first], self.rows)
