"""How the tasks were weighed, and whether their gradients were in conflict: ``weighting/...`` of ``metrics.csv``.

Here a colour is a task: the classes ``t<index>``. A pair of tasks has the colours of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from markupsafe import Markup

from cnnlib.reporting.axis import Axis
from cnnlib.reporting.charts import MOST_BANDS, Curve, Plot, curve_of, draw_lines
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_result import RunResult
from cnnlib.reporting.templates import percent

_SMALL = Plot(280, 180, 40, 8, 272, 146)
_LARGER = Plot(360, 250, 40, 8, 352, 216)  # cosines are often small, and their axis is not
_COSINES = Axis(-1.0, 1.0, False, (-1.0, -0.5, 0.0, 0.5, 1.0))
_DECADES = 100  # weights that span more than this factor are drawn on a logarithmic axis
_SAME = 1e-6  # relative: what rounding does to the mean of equal weights


@dataclass(frozen=True)
class Pair:
    """Two tasks under one experiment; ``marks`` are the classes of their colours."""

    marks: tuple[str, str]
    curve: Curve
    share: float
    """Of the steps in which the gradients pull against each other; NaN where that was not logged."""

    @property
    def words(self) -> str:
        """In what they pull against each other: ``43 % of steps, 7 of 9 epochs``."""
        known = self.curve.mean[np.isfinite(self.curve.mean)]
        if not known.size:
            return "unknown, as they were never in one step"
        if self.share == 0:
            return "no step"
        below = int((known < 0).sum()) or "none"
        epochs = f"{below} of {known.size} epoch{'' if known.size == 1 else 's'}"
        return epochs if np.isnan(self.share) else f"{percent(self.share)} of steps, {epochs}"


@dataclass(frozen=True)
class WeightingFigures:
    """What the page shows of a suite's weightings."""

    marks: dict[str, str]
    """Task to the class of its colour."""
    weights: list[tuple[str, Markup]]
    """Experiment and chart; of those whose weights are not constant."""
    logarithmic: bool
    gaps: bool
    """Whether a task is missing from all steps of an epoch."""
    constant: list[str]
    """The experiments whose weights are."""
    cosines: list[tuple[str, Markup, list[Pair]]]
    """Experiment, chart and all its pairs, those most in conflict first; the chart has the first ``most``."""
    most: int = MOST_BANDS


def weighting_figures(suite: SuiteResults) -> WeightingFigures | None:
    """``None`` where all weights are constant and no cosines are known."""
    tasks = dict.fromkeys(task for run in suite.runs for task in _tasks(run))
    marks = {task: f"t{index}" for index, task in enumerate(tasks)}
    found = {name: _weights(runs, marks) for name, runs in suite.finished.items()}
    found = {name: curves for name, curves in found.items() if curves}
    drawn = {name: curves for name, curves in found.items() if not all(map(_constant, curves))}
    axis = _weight_axis([curve for curves in drawn.values() for curve in curves])
    pairs = {name: of_name for name, runs in suite.finished.items() if (of_name := _pairs(runs, marks))}
    if not drawn and not pairs:
        return None
    return WeightingFigures(
        marks,
        [(name, draw_lines(curves, axis, _SMALL)) for name, curves in drawn.items()],
        axis.logarithmic,
        any(np.isnan(curve.mean).any() for curves in drawn.values() for curve in curves),
        [name for name in found if name not in drawn],
        [(name, _cosine_chart(of_name), of_name) for name, of_name in pairs.items()],
    )


def _tasks(run: RunResult) -> list[str]:
    """Those that have a weight, which are all that were trained, in the order of the run."""
    own = [column.removeprefix("weighting/") for column in run.history if column.startswith("weighting/")]
    return [name for name in own if not name.startswith(("cosine/", "conflict/"))]


def _weights(runs: Sequence[RunResult], marks: dict[str, str]) -> list[Curve]:
    return [
        curve_of(mark, task, own)
        for task, mark in marks.items()
        if (own := _columns(runs, f"weighting/{task}"))
    ]


def _columns(runs: Sequence[RunResult], column: str) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(run.history["epoch"], run.history[column]) for run in runs if column in run.history]


def _constant(curve: Curve) -> bool:
    """One value in all epochs under all seeds."""
    known = np.isfinite(curve.mean)
    if not known.any():
        return True
    low, high = curve.low[known].min(), curve.high[known].max()
    return bool(high - low <= _SAME * max(abs(low), abs(high)))


def _weight_axis(curves: Sequence[Curve]) -> Axis:
    """One for all experiments, so that they can be compared: from 0, or logarithmic."""
    ends = np.concatenate([[], *(end for curve in curves for end in (curve.low, curve.high))])
    ends = ends[np.isfinite(ends)]
    low, high = (float(ends.min()), float(ends.max())) if ends.size else (0.0, 1.0)
    if low > 0 and high > _DECADES * low:
        return Axis.log(low, high)
    low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.06 * (high - low)
    return Axis.linear(low - margin * (low < 0), high + margin)


def _pairs(runs: Sequence[RunResult], marks: dict[str, str]) -> list[Pair]:
    pairs = []
    for one, other in combinations(marks, 2):
        for first, second in ((one, other), (other, one)):  # a run has its tasks in an order of its own
            if cosines := _columns(runs, f"weighting/cosine/{first}-{second}"):
                shares = _columns(runs, f"weighting/conflict/{first}-{second}")
                curve = curve_of(marks[first], f"{first} and {second}", cosines, marks[second])
                pairs.append(Pair((marks[first], marks[second]), curve, _mean([each for _, each in shares])))
    return sorted(pairs, key=_agreement)


def _mean(values: Sequence[np.ndarray]) -> float:
    """Of those that are known; NaN without any."""
    known = np.concatenate([[], *values])
    known = known[np.isfinite(known)]
    return float(known.mean()) if known.size else float("nan")


def _agreement(pair: Pair) -> tuple[float, float]:
    """Lower for a pair that is more in conflict; unknown ones last."""
    cosine = _mean([pair.curve.mean])
    return tuple(float(value) if np.isfinite(value) else np.inf for value in (-pair.share, cosine))


def _cosine_chart(pairs: Sequence[Pair]) -> Markup:
    return draw_lines([pair.curve for pair in pairs[:MOST_BANDS]], _COSINES, _LARGER)
