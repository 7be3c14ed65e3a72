"""The family tree as a picture: an experiment a row, its score across, and beside it what changed.

Every row has its own piece of the picture, with places in percent of its width and height: the rows are as high as
their words need, at any width of the page, and the lines meet all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from cnnlib.reporting.comparison import Comparison
from cnnlib.reporting.lineage import Key, Lineage, Step
from cnnlib.reporting.read_lineage import lineage_of
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.summary import Summary

_LEFT, _RIGHT = 8.0, 92.0  # where the lowest and the highest score of a seed are drawn


@dataclass(frozen=True)
class Line:
    """A stroke in a row, from and to in percent; ``kind`` is its class in the style sheet."""

    x1: float
    y1: float
    x2: float
    y2: float
    kind: str


@dataclass(frozen=True)
class Row:
    """One experiment; ``x`` is ``None`` where its score is not defined, ``index`` where it is of another suite."""

    title: str
    index: int | None
    step: Step
    reference: str
    summary: Summary | None
    comparison: Comparison | None
    change: float
    x: float | None
    seeds: Sequence[float]
    lines: Sequence[Line]


@dataclass(frozen=True)
class Figure:
    """The tree in one metric; ``ticks`` are places in percent and their values."""

    metric: str
    higher_is_better: bool
    ticks: Sequence[tuple[float, float]]
    rows: Sequence[Row]


def lineage_figures(suite: SuiteResults, indices: Mapping[str, int]) -> list[Figure]:
    """One for each metric that runs are ranked by; none where no experiment starts from another."""
    lineage = lineage_of([suite])
    if not lineage.inherits:
        return []
    return [_figure(lineage, suite, metric, indices) for metric in suite.ranked_by]


def _figure(lineage: Lineage, suite: SuiteResults, metric: str, indices: Mapping[str, int]) -> Figure:
    own = suite.folder.resolve()
    scores = {
        key: _finite([run.test.get(metric, math.nan) for run in lineage.runs(key)]) for key in lineage.steps
    }
    scale = _Scale.over([value for values in scores.values() for value in values])
    x = {key: scale.place(float(np.mean(values))) if values else None for key, values in scores.items()}
    lines = _lines(lineage, metric, x)
    rows = []
    for key, step in lineage.steps.items():
        folder, name = key
        rows.append(
            Row(
                title=lineage.title(key, own),
                index=indices[name] if folder == own else None,
                step=step,
                reference=lineage.title(step.reference, folder) if step.reference else "",
                summary=lineage.summaries.get((key, metric)),
                comparison=lineage.comparisons.get((key, metric)),
                change=lineage.change(key, metric),
                x=x[key],
                seeds=[scale.place(value) for value in scores[key]],
                lines=lines[key],
            )
        )
    return Figure(metric, suite.ranked_by[metric], scale.ticks, rows)


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


@dataclass(frozen=True)
class _Scale:
    """From scores to percent of the width."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float]) -> _Scale:
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        air = 0.0 if high > low else 0.1 * abs(high) or 0.1
        return cls(low - air, high + air)

    def place(self, value: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * (value - self.low) / (self.high - self.low), 2)

    @property
    def ticks(self) -> list[tuple[float, float]]:
        values = MaxNLocator(5).tick_values(self.low, self.high)
        return [(self.place(value), float(value)) for value in values if self.low <= value <= self.high]


def _lines(lineage: Lineage, metric: str, x: Mapping[Key, float | None]) -> dict[Key, list[Line]]:
    """Row to its strokes: from each reference down, or up, to the row of the step, and there across to its score."""
    order = list(lineage.steps)
    drawn: dict[Key, list[Line]] = {key: [] for key in order}
    for key, step in lineage.steps.items():
        if step.reference is None or x[key] is None or x[step.reference] is None:
            continue
        kind = "from" if step.inherits else "since"
        first, last = order.index(step.reference), order.index(key)
        for row, (top, bottom) in _passed(first, last):
            drawn[order[row]].append(Line(x[step.reference], top, x[step.reference], bottom, kind))
        one = lineage.comparisons.get((key, metric))
        verdict = one.verdict.name.lower() if one else "untested"
        drawn[key].append(Line(x[step.reference], 50, x[key], 50, f"{kind} {verdict}"))
    return drawn


def _passed(first: int, last: int) -> Iterator[tuple[int, tuple[float, float]]]:
    """The rows from the middle of one to that of another, each with the part of its height that is passed."""
    for row in range(min(first, last), max(first, last) + 1):
        yield row, (50 if row == min(first, last) else 0, 50 if row == max(first, last) else 100)
