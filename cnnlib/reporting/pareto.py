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
_LEFT, _RIGHT = 62, 436  # in pixels
_LETTER = 6.6  # its typical width, in pixels
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
    """A figure for each pair of tasks that three experiments or more have both.

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
    return figures


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
        for span, (low, high), sign in zip(spans, ((_LEFT, _RIGHT - 8), (268, 10)), signs, strict=True)
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
    named = [point for point in points if point["front"] or point["name"] == suite.baseline]
    labels = _labels(named, [(point["x"], point["y"]) for point in points])
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

    def shows(self, low: float, high: float) -> bool:
        """Whether an end of the interval can be seen: a line across the whole picture would say nothing."""
        return math.isfinite(low) and (low >= self.span[0] or high <= self.span[1])

    def clipped(self, value: float) -> float:
        return self(min(max(value, self.span[0]), self.span[1]))


def _point(
    name: str, index: int, scales: Sequence[_Scale], at: tuple[Summary, Summary], front: bool
) -> dict[str, Any]:
    ends = [
        (scale.clipped(one.low), scale.clipped(one.high)) if scale.shows(one.low, one.high) else None
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


def _labels(
    named: Sequence[Mapping[str, Any]], points: Sequence[tuple[float, float]]
) -> list[tuple[float, float, str, str]]:
    """Place, anchor and text of names beside their points: of the places around a point the one that covers the fewest
    of the other names and points.
    """
    placed: list[tuple[float, float, str, str]] = []
    taken = [(x - 5, x + 5, y - 5, y + 5) for x, y in points]
    for point in sorted(named, key=lambda one: one["y"]):
        width = _LETTER * len(point["name"])
        places = []
        for down in (-6, 4, 14, -19, 27):
            y = round(point["y"] + down, 1)
            for x, left, anchor in (
                (point["x"] + 9, point["x"] + 9, "start"),
                (point["x"] - 9, point["x"] - 9 - width, "end"),
            ):
                box = (left, left + width, y - 10, y + 3)
                outside = left < _LEFT or left + width > _RIGHT
                places.append(
                    (sum(_overlap(box, other) for other in taken) + 100 * outside, x, y, anchor, box)
                )
        _, x, y, anchor, box = min(places, key=lambda place: place[0])
        taken.append(box)
        placed.append((x, y, anchor, point["name"]))
    return placed


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Of two boxes (left, right, top, bottom)."""
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
