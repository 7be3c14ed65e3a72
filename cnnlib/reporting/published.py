"""A suite's results beside published ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnnlib.lookup import unknown
from cnnlib.reporting.plain_text import aligned, decimal
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_files import read_columns
from cnnlib.reporting.summary import Summary, summarise_suite
from cnnlib.types import CnnlibError


def read_published(path: Path) -> dict[str, dict[str, float]]:
    """Metric, experiment to the published value, of a CSV file with a column ``experiment`` and one for each metric.

    Raises:
        CnnlibError: no such file, no such column, no rows, a value that is no finite number, or an experiment twice.
    """
    if not path.exists():
        raise CnnlibError(f"{path}: no such table of published results; give one with --table")
    columns = read_columns(path, text=["experiment"])
    names = columns.pop("experiment", None)
    if not names or not columns:
        raise CnnlibError(
            f"{path}: needs a column experiment, a column for each metric, and at least one row"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise CnnlibError(f"{path}: one row for each experiment; there are several of {', '.join(twice)}")
    for metric, values in columns.items():
        for name, value in zip(names, values, strict=True):
            if not math.isfinite(value):
                raise CnnlibError(
                    f"{path}: {metric} of {name} is {value}; a published value is a finite number"
                )
    return {metric: dict(zip(names, values, strict=True)) for metric, values in columns.items()}


def comparison_lines(suite: SuiteResults, published: Mapping[str, Mapping[str, float]]) -> list[str]:
    """For each metric a table: what was published, the mean over our seeds, its 95 % interval, their difference.

    Raises:
        CnnlibError: none of the published experiments has a finished run, or no run has one of the metrics.
    """
    known: dict[str, dict[str, Summary]] = {}
    for summary in summarise_suite(suite):
        known.setdefault(summary.metric, {})[summary.experiment] = summary
    if not any(name in suite.finished for of_metric in published.values() for name in of_metric):
        names = ", ".join(next(iter(published.values())))
        raise CnnlibError(f"{suite.folder}: no experiment of the published ones ({names}) has finished")
    lines: list[str] = []
    for metric, of_metric in published.items():
        if metric not in known:
            raise CnnlibError(f"{suite.folder}: no run has it: {unknown('metric', metric, known)}")
        rows = [_row(name, value, known[metric].get(name)) for name, value in of_metric.items()]
        heads = ("", "published", "ours", "95 % interval", "seeds", "difference")
        lines += [metric, *aligned([heads, *rows]), ""]
    return lines


def _row(name: str, published: float, ours: Summary | None) -> Sequence[str]:
    if ours is None or not math.isfinite(ours.mean):
        return (name, decimal(published), "n/a", "", "0", "")
    interval = f"{decimal(ours.low)} to {decimal(ours.high)}" if ours.n > 1 else "one seed"
    return (
        name,
        decimal(published),
        decimal(ours.mean),
        interval,
        str(ours.n),
        f"{ours.mean - published:+.4f}",
    )
