"""The tables that a run writes: ``metrics.csv``, one row per epoch, and ``per_image.csv``, one per test image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cnnlib.files import write_csv
from cnnlib.types import Predicted, SplitMetric


class HistoryFile:
    """Writes every epoch's numbers, whole each time, so that a kill leaves a complete file.

    Args:
        path: the CSV file; what stands there gives way at once.
        rows: of the completed epochs.
    """

    def __init__(self, path: Path, rows: list[dict[str, float]]) -> None:
        self.path = path
        self.rows = list(rows)
        if rows:
            self._write()
        else:
            path.unlink(missing_ok=True)

    def log_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        self.rows.append(dict(scalars))
        self._write()

    def _write(self) -> None:
        first = ["epoch", "seconds", "images_per_second", "learning_rate"]
        columns = dict.fromkeys([*first, *(key for row in self.rows for key in row)])
        write_csv(self.path, list(columns), self.rows)  # a resumed run may have more than it began with


@dataclass
class PerImageFile:
    """A sink that writes each image's name, group and metrics when it is closed.

    Args:
        path: the CSV file.
        metrics: by task; they see the same samples in the same order.
    """

    path: Path
    metrics: Mapping[str, SplitMetric]
    rows: list[dict[str, str | float]] = field(default_factory=list, init=False)

    def write(self, sample: Predicted) -> None:
        self.rows.append({"name": sample.name, "group": sample.group})

    def close(self) -> None:
        for task, metric in self.metrics.items():
            for key, values in metric.per_image().items():
                for row, value in zip(self.rows, values.tolist(), strict=True):
                    row[f"{task}/{key}"] = value
        write_csv(self.path, list(self.rows[0]), self.rows)
