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
_BOTH_SIGNS = Axis(-1.0, 1.0, False, (-1.0, -0.5, 0.0, 0.5, 1.0))
_SHARES = Axis(0.0, 1.0, False, (0.0, 0.25, 0.5, 0.75, 1.0))
_SAME = 1e-6  # what rounding does to a share


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
    shares: list[tuple[str, Markup]]
    """Experiment and chart: each task's share of the sum of the weights; of those whose shares are not constant."""
    negative: bool
    """Whether a share is."""
    gaps: bool
    """Whether a task is missing from all steps of an epoch."""
    constant: list[str]
    """The experiments whose shares are."""
    cosines: list[tuple[str, Markup, list[Pair]]]
    """Experiment, chart and all its pairs, those most in conflict first; the chart has the first ``most``."""
    most: int = MOST_BANDS


def weighting_figures(suite: SuiteResults) -> WeightingFigures | None:
    """``None`` where all weights are constant and no cosines are known."""
    tasks = dict.fromkeys(task for run in suite.runs for task in _tasks(run))
    marks = {task: f"t{index}" for index, task in enumerate(tasks)}
    found = {name: _shares(runs, marks) for name, runs in suite.finished.items()}
    found = {name: curves for name, curves in found.items() if len(curves) > 1}
    drawn = {name: curves for name, curves in found.items() if not all(map(_constant, curves))}
    negative = any((curve.low < 0).any() for curves in drawn.values() for curve in curves)
    pairs = {name: of_name for name, runs in suite.finished.items() if (of_name := _pairs(runs, marks))}
    if not drawn and not pairs:
        return None
    return WeightingFigures(
        marks,
        [
            (name, draw_lines(curves, _BOTH_SIGNS if negative else _SHARES, _SMALL))
            for name, curves in drawn.items()
        ],
        negative,
        any(np.isnan(curve.mean).any() for curves in drawn.values() for curve in curves),
        [name for name in found if name not in drawn],
        [(name, _cosine_chart(of_name), of_name) for name, of_name in pairs.items()],
    )


def _tasks(run: RunResult) -> list[str]:
    """Those that have a weight, which are all that were trained, in the order of the run."""
    own = [column.removeprefix("weighting/") for column in run.history if column.startswith("weighting/")]
    return [name for name in own if not name.startswith(("cosine/", "conflict/"))]


def _shares(runs: Sequence[RunResult], marks: dict[str, str]) -> list[Curve]:
    """Of each task, in the sum of the weights' sizes, which differs by orders of magnitude between weightings."""
    of_tasks: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for run in runs:
        weights = {task: run.history[f"weighting/{task}"] for task in _tasks(run)}
        together = np.nansum([np.abs(one) for one in weights.values()], axis=0)
        for task, one in weights.items():
            share = np.divide(one, together, out=np.full_like(one, np.nan), where=together > 0)
            of_tasks.setdefault(task, []).append((run.history["epoch"], share))
    return [curve_of(mark, task, of_tasks[task]) for task, mark in marks.items() if task in of_tasks]


def _columns(runs: Sequence[RunResult], column: str) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(run.history["epoch"], run.history[column]) for run in runs if column in run.history]


def _constant(curve: Curve) -> bool:
    """One value in all epochs under all seeds."""
    known = np.isfinite(curve.mean)
    if not known.any():
        return True
    return bool(curve.high[known].max() - curve.low[known].min() <= _SAME)


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
    return draw_lines([pair.curve for pair in pairs[:MOST_BANDS]], _BOTH_SIGNS, _LARGER)
