"""Charts as inline SVG: crisp at any size, and coloured by the page's style sheet, so that they follow dark mode.

An experiment is drawn in the class ``s<index>``, the same everywhere on the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import LogLocator, MaxNLocator

_LOG_FROM = 20  # a curve that falls by more than this factor is drawn on a logarithmic axis


MOST_BANDS = 6  # as many as report.html and report.js let be seen at once


@dataclass(frozen=True)
class Curve:
    """One experiment over the epochs: its mean over seeds, between its lowest and highest seed."""

    index: int
    name: str
    epochs: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def curve_of(index: int, name: str, runs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Curve:
    """The mean and range at each epoch that any seed reached.

    Args:
        runs: epochs and values of each seed. Seeds may have stopped at different epochs.
    """
    epochs = np.unique(np.concatenate([epochs for epochs, _ in runs]))
    table = np.full((len(runs), len(epochs)), np.nan)
    for row, (own, values) in zip(table, runs, strict=True):
        row[np.searchsorted(epochs, own)] = values
    known = np.isfinite(table)
    mean = np.where(known, table, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    seen = known.any(axis=0)
    low, high = np.where(known, table, np.inf).min(axis=0), np.where(known, table, -np.inf).max(axis=0)
    return Curve(index, name, epochs, *(np.where(seen, values, np.nan) for values in (mean, low, high)))


def line_chart(curves: Sequence[Curve], falling: bool) -> Markup:
    """Curves over epochs.

    Args:
        falling: lower is better; then the axis is logarithmic where the values span more than a decade or so,
            else a bad start is cut off, so that the end can be read.
    """
    width, height, left, bottom, top, right = 440, 250, 52, 34, 8, 10
    inner_width, inner_height = width - left - right, height - top - bottom
    axis = _Axis.over(curves, falling)
    first = min(float(curve.epochs[0]) for curve in curves)
    last = max(float(curve.epochs[-1]) for curve in curves)

    def x(epoch: float) -> float:
        return inner_width * ((epoch - first) / (last - first) if last > first else 0.5)

    def y(value: float) -> float:
        return inner_height * (1 - axis.position(value))

    parts = [Markup('<svg class="chart" viewBox="0 0 {} {}" role="img">').format(width, height)]
    for value in axis.ticks:
        line = top + y(value)
        parts.append(
            Markup('<line class="grid" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>').format(
                left, width - right, line
            )
        )
        parts.append(
            Markup('<text x="{}" y="{:.1f}" text-anchor="end">{:g}</text>').format(left - 7, line + 4, value)
        )
    for epoch in _whole_ticks(first, last):
        parts.append(
            Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{:g}</text>').format(
                left + x(epoch), height - bottom + 17, epoch
            )
        )
    parts.append(
        Markup('<text class="label" x="{}" y="{}" text-anchor="end">epoch</text>').format(
            width - right, height - 3
        )
    )
    # A nested svg cuts off what leaves its box.
    parts.append(
        Markup('<svg x="{}" y="{}" width="{}" height="{}">').format(left, top, inner_width, inner_height)
    )
    for curve in curves:
        band = [
            (x(e), y(value)) for e, value in zip(curve.epochs, curve.high, strict=True) if np.isfinite(value)
        ]
        band += [
            (x(e), y(value))
            for e, value in zip(curve.epochs[::-1], curve.low[::-1], strict=True)
            if np.isfinite(value)
        ]
        line = [(x(e), y(value)) for e, value in zip(curve.epochs, curve.mean, strict=True)]
        parts.append(Markup('<g class="series s{}" data-series="{}">').format(curve.index, curve.index))
        parts.append(Markup("<title>{}</title>").format(curve.name))
        parts.append(Markup('<path class="band" d="{}Z"/>').format(_path(band)) if band else Markup())
        parts.append(Markup('<path class="line" d="{}"/>').format(_path(line)))
        if len(curve.epochs) == 1 and np.isfinite(curve.mean[0]):
            parts.append(Markup('<circle r="4" cx="{:.1f}" cy="{:.1f}"/>').format(*line[0]))
        parts.append(Markup("</g>"))
    return Markup("").join([*parts, Markup("</svg></svg>")])


def interval_plot(
    index: int, values: Sequence[float], mean: float, low: float, high: float, span: tuple[float, float]
) -> Markup:
    """A dot a seed, a bar at the mean, a line over the interval; ``span`` is the axis, shared by a column."""
    width, height = 120, 22

    def x(value: float) -> float:
        unit = (value - span[0]) / (span[1] - span[0]) if span[1] > span[0] else 0.5
        return 5 + (width - 10) * min(max(unit, 0.0), 1.0)

    parts = [
        Markup('<svg class="interval s{}" viewBox="0 0 {} {}" aria-hidden="true">').format(
            index, width, height
        ),
        Markup('<line class="grid" x1="5" x2="{}" y1="11" y2="11"/>').format(width - 5),
    ]
    if math.isfinite(low):
        parts.append(
            Markup('<line class="margin" x1="{:.1f}" x2="{:.1f}" y1="11" y2="11"/>').format(x(low), x(high))
        )
    parts += [
        Markup('<circle r="3.2" cx="{:.1f}" cy="11"/>').format(x(value))
        for value in values
        if math.isfinite(value)
    ]
    if len(values) > 1 and math.isfinite(mean):
        parts.append(Markup('<line class="mean" x1="{0:.1f}" x2="{0:.1f}" y1="4" y2="18"/>').format(x(mean)))
    return Markup("").join([*parts, Markup("</svg>")])


def histogram(index: int, values: np.ndarray, truth: np.ndarray | None, span: tuple[float, float]) -> Markup:
    """How often each value occurs: filled for ``values``, an outline for ``truth``; more bins for more values."""
    width, height = 170, 96
    bins = round(min(max(2 * math.sqrt(len(values)), 8), 32))
    counts = [
        np.histogram(one, bins, span)[0] / max(len(one), 1) if one is not None else np.zeros(bins)
        for one in (values, truth)
    ]
    tallest = max(float(count.max()) for count in counts) or 1.0

    def steps(count: np.ndarray) -> list[tuple[float, float]]:
        heights = 78 * (1 - count / tallest) + 2
        return [(width * (i + side) / bins, float(h)) for i, h in enumerate(heights) for side in (0, 1)]

    parts = [
        Markup('<svg class="histogram s{}" viewBox="0 0 {} {}" role="img">').format(index, width, height),
        Markup('<path class="bars" d="{}L{},80L0,80Z"/>').format(_path(steps(counts[0])), width),
    ]
    if truth is not None:
        parts.append(Markup('<path class="truth" d="{}"/>').format(_path(steps(counts[1]))))
    parts += [
        Markup('<line class="axis" x1="0" x2="{}" y1="80" y2="80"/>').format(width),
        Markup('<text x="0" y="94">{:.3g}</text>').format(span[0]),
        Markup('<text x="{}" y="94" text-anchor="end">{:.3g}</text>').format(width, span[1]),
    ]
    return Markup("").join([*parts, Markup("</svg>")])


@dataclass(frozen=True)
class _Axis:
    """The vertical axis: from values to positions between 0 and 1."""

    low: float
    high: float
    logarithmic: bool
    ticks: tuple[float, ...]

    @classmethod
    def over(cls, curves: Sequence[Curve], falling: bool) -> _Axis:
        shown = [np.stack([curve.low, curve.mean, curve.high]) for curve in curves]
        if len(curves) > MOST_BANDS:
            shown = [of_curve[1:2] for of_curve in shown]
        values = np.concatenate([of_curve.ravel() for of_curve in shown])
        values = values[np.isfinite(values)]
        if not values.size:
            return cls(0.0, 1.0, False, (0.0, 1.0))
        low, high = float(values.min()), float(values.max())
        if falling and low > 0 and high / low > _LOG_FROM:
            inside = [
                tick for tick in LogLocator(subs=(1, 2, 5)).tick_values(low, high) if low <= tick <= high
            ]
            return cls(low / 1.1, high * 1.1, True, tuple(inside))
        # First epochs that are far off would press all that follows into one line: the later half sets that end.
        later = np.concatenate([of_curve[:, of_curve.shape[1] // 2 :].ravel() for of_curve in shown])
        if sum(len(curve.mean) for curve in curves) > 20 and np.isfinite(later).any():
            low, high = (low, float(np.nanmax(later))) if falling else (float(np.nanmin(later)), high)
        margin = 0.06 * (high - low) or 0.1 * abs(high) or 0.1
        low, high = low - margin, high + margin
        ticks = MaxNLocator(5).tick_values(low, high)
        return cls(low, high, False, tuple(float(tick) for tick in ticks if low <= tick <= high))

    def position(self, value: float) -> float:
        if self.logarithmic:
            return math.log(max(value, 1e-300) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def _whole_ticks(first: float, last: float) -> list[float]:
    ticks = MaxNLocator(7, integer=True).tick_values(first, last)
    return [float(tick) for tick in ticks if first <= tick <= last and tick == round(tick)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    """SVG path data through ``points``; a point that is not a number breaks the line."""
    data, pen = [], "M"
    for x, y in points:
        if math.isfinite(y):
            data.append(f"{pen}{x:.1f},{y:.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(data)
