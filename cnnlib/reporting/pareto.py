"""One task's metric against another's: which experiments no other beats in both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.summary import Summary, summarise_suite
from cnnlib.reporting.templates import TEMPLATES

_FAR = 5.0  # times the typical distance from the middle: farther points are named, not drawn
_MOST = 10  # charts
_CROWDED = 8  # points: with more, the intervals of those that another beats are seen under the pointer alone


@dataclass(frozen=True)
class ParetoFigure:
    """
    Attributes:
        x, y: the metrics.
        front: the experiments that none other equals or beats in both and beats in one, by ``x``.
        outside: those that are too far off to be drawn; none of ``front``.
    """

    x: str
    y: str
    chart: Markup
    front: Sequence[str]
    outside: Sequence[str]


def pareto_front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The names of the points that no other dominates, by the first coordinate; in both, higher is better."""
    found: list[str] = []
    best = -math.inf
    for name, (_, y) in sorted(points.items(), key=lambda point: (-point[1][0], -point[1][1])):
        if y > best or (found and points[name] == points[found[-1]]):
            found.append(name)
            best = y
    return found[::-1]


def pareto_figures(
    suite: SuiteResults, indices: Mapping[str, int], alone: Mapping[str, str]
) -> list[ParetoFigure]:
    """A figure for each pair of tasks that three experiments or more have both; those of the first tasks, if there are
    very many.

    Args:
        alone: task to its single-task baseline, which is drawn as a line.
    """
    table: dict[str, dict[str, Summary]] = {}
    for summary in summarise_suite(suite):
        if summary.metric in suite.ranked_by and math.isfinite(summary.mean):
            table.setdefault(summary.metric, {})[summary.experiment] = summary
    figures = []
    for pair in combinations(table, 2):
        names = [name for name in table[pair[0]] if name in table[pair[1]]]
        if len(names) >= 3:
            baselines = tuple(table[metric].get(alone.get(metric.partition("/")[0], "")) for metric in pair)
            axes = tuple({name: table[metric][name] for name in names} for metric in pair)
            figures.append(_figure(pair, axes, baselines, suite, indices))
    return figures[:_MOST]


def _figure(
    metrics: tuple[str, str],
    axes: tuple[Mapping[str, Summary], Mapping[str, Summary]],
    baselines: tuple[Summary | None, Summary | None],
    suite: SuiteResults,
    indices: Mapping[str, int],
) -> ParetoFigure:
    signs = [1 if suite.ranked_by[metric] else -1 for metric in metrics]
    names = list(axes[0])
    front = pareto_front(
        {name: (signs[0] * axes[0][name].mean, signs[1] * axes[1][name].mean) for name in names}
    )
    shown = [[axis[name].mean for name in front] for axis in axes]
    spans = [
        _span([one.mean for one in axis.values()], [*best, *([base.mean] if base else [])])
        for axis, best, base in zip(axes, shown, baselines, strict=True)
    ]
    scales = [
        _Scale(span, low, high, sign < 0)
        for span, (low, high), sign in zip(spans, ((62, 428), (268, 10)), signs, strict=True)
    ]
    inside = [
        name
        for name in names
        if all(scale.holds(axis[name].mean) for scale, axis in zip(scales, axes, strict=True))
    ]
    points = [
        _point(name, indices[name], scales, (axes[0][name], axes[1][name]), name in front) for name in inside
    ]
    steps = [
        (scales[0](axes[0][name].mean), scales[1](axes[1][name].mean)) for name in front if name in inside
    ]
    lines = [scale(base.mean) if base else None for scale, base in zip(scales, baselines, strict=True)]
    labels = _labels([point for point in points if point["front"] or point["name"] == suite.baseline])
    chart = TEMPLATES.get_template("pareto.html").module.pareto_chart(
        metrics, scales, points, _stairs(steps), lines, labels, len(points) > _CROWDED
    )
    return ParetoFigure(*metrics, chart, front, [name for name in names if name not in inside])


def _span(means: Sequence[float], shown: Sequence[float]) -> tuple[float, float]:
    """Of the axis: all but what is far off, and what is ``shown`` in any case."""
    values = np.array(means)
    middle = float(np.median(values))
    typical = float(np.median(np.abs(values - middle))) or float(np.abs(values - middle).mean())
    near = [value for value in means if abs(value - middle) <= _FAR * typical] + list(shown)
    low, high = min(near), max(near)
    margin = 0.12 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


class _Scale:
    """From a metric's value to pixels between ``start``, which is worse, and ``end``."""

    def __init__(self, span: tuple[float, float], start: float, end: float, falling: bool) -> None:
        self.span, self.start, self.end = span, start, end
        self._from, self._to = span[::-1] if falling else span

    @property
    def ticks(self) -> list[tuple[float, float]]:
        """Pixel and value."""
        ticks = MaxNLocator(5).tick_values(*self.span)
        return [(self(tick), float(tick)) for tick in ticks if self.holds(tick)]

    def holds(self, value: float) -> bool:
        return self.span[0] <= value <= self.span[1]

    def __call__(self, value: float) -> float:
        unit = (value - self._from) / (self._to - self._from)
        return round(self.start + (self.end - self.start) * unit, 1)

    def clipped(self, value: float) -> float:
        return self(min(max(value, self.span[0]), self.span[1]))


def _point(
    name: str, index: int, scales: Sequence[_Scale], at: tuple[Summary, Summary], front: bool
) -> dict[str, Any]:
    ends = [
        (scale.clipped(one.low), scale.clipped(one.high)) if math.isfinite(one.low) else None
        for scale, one in zip(scales, at, strict=True)
    ]
    x, y = (scale(one.mean) for scale, one in zip(scales, at, strict=True))
    title = f"{name}: {at[0].mean:.4g}, {at[1].mean:.4g}"
    return {"name": name, "index": index, "x": x, "y": y, "ends": ends, "front": front, "title": title}


def _stairs(steps: Sequence[tuple[float, float]]) -> str:
    """SVG path data: what the front dominates lies below and to the left of it."""
    if not steps:
        return ""
    data = f"M{steps[0][0]},{steps[0][1]}"
    for x, y in steps[1:]:
        data += f"V{y}H{x}"
    return data


def _labels(points: Sequence[Mapping[str, Any]]) -> list[tuple[float, float, str, str]]:
    """Place, anchor and text of names beside their points, moved down until none lies on another."""
    placed: list[tuple[float, float, str, str]] = []
    for point in sorted(points, key=lambda one: one["y"]):
        width = 6.6 * len(point["name"])
        right = point["x"] + 9 + width < 436
        x, anchor = (point["x"] + 9, "start") if right else (point["x"] - 9, "end")
        left = x if right else x - width
        y = point["y"] - 6
        for old_x, old_y, old_anchor, old in placed:
            old_width = 6.6 * len(old)
            old_left = old_x if old_anchor == "start" else old_x - old_width
            if left < old_left + old_width and old_left < left + width and abs(y - old_y) < 13:
                y = old_y + 13
        placed.append((x, round(y, 1), anchor, point["name"]))
    return placed
