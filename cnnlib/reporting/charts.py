"""Charts as inline SVG: crisp at any size, and coloured by the page's style sheet, so that they follow dark mode.

An experiment is drawn in the class ``s<index>``, the same wherever a colour means an experiment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.ticker import MaxNLocator

from cnnlib.reporting.axis import Axis
from cnnlib.reporting.templates import TEMPLATES

_LOG_FROM = 20  # a curve that falls by more than this factor is drawn on a logarithmic axis
_ERROR_COLORS = colormaps["plasma"]  # without its ends, which are hard to see on black or on white
MOST_BANDS = 6  # as many as report.html and report.js let be seen at once


@dataclass(frozen=True)
class Curve:
    """A value over the epochs: its mean over seeds, between its lowest and highest seed; NaN leaves a gap."""

    mark: str
    """The class that colours it: ``s<index>`` of an experiment."""
    name: str
    epochs: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    second: str = ""
    """A class whose colour alternates with the first along the line, for what belongs to two."""


@dataclass(frozen=True)
class Plot:
    """Sizes of a line chart, in pixels of its view box."""

    width: int
    height: int
    left: int
    top: int
    right: int
    bottom: int


_LARGE = Plot(440, 250, 52, 8, 430, 216)


def curve_of(mark: str, name: str, runs: Sequence[tuple[np.ndarray, np.ndarray]], second: str = "") -> Curve:
    """The mean and range at each epoch that any seed reached.

    Args:
        mark, second: classes of colours, as ``Curve`` has them.
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
    shown = (np.where(seen, values, np.nan) for values in (mean, low, high))
    return Curve(mark, name, epochs, *shown, second=second)


def line_chart(curves: Sequence[Curve], falling: bool) -> Markup:
    """Curves over epochs.

    Args:
        falling: lower is better; then the axis is logarithmic where the values span more than a decade or so,
            else a bad start is cut off, so that the end can be read.
    """
    return draw_lines(curves, _axis_over(curves, falling), _LARGE)


def draw_lines(curves: Sequence[Curve], axis: Axis, plot: Plot) -> Markup:
    """Curves over epochs on a given axis."""
    first = min(float(curve.epochs[0]) for curve in curves)
    last = max(float(curve.epochs[-1]) for curve in curves)

    def point(epoch: float, value: float) -> tuple[float, float]:
        along = (epoch - first) / (last - first) if last > first else 0.5
        down = (plot.bottom - plot.top) * (1 - axis.position(value))
        return round((plot.right - plot.left) * along, 1), round(down, 1)

    def points(curve: Curve, values: np.ndarray, part: slice) -> list[tuple[float, float]]:
        return [point(*place) for place in zip(curve.epochs[part], values[part], strict=True)]

    series = []
    for curve in curves:
        parts = _stretches(np.isfinite(curve.mean))
        bands = [points(curve, curve.high, part) + points(curve, curve.low, part)[::-1] for part in parts]
        lines = [points(curve, curve.mean, part) for part in parts]
        band = "".join(_path(band) + "Z" for band in bands)
        dots = [line[0] for line in lines if len(line) == 1]
        series.append((curve, band, "".join(map(_path, lines)), dots))
    vertical = [(plot.top + point(first, value)[1], value) for value in axis.ticks]
    ticks = MaxNLocator(7, integer=True).tick_values(first, last)
    horizontal = [
        (plot.left + point(epoch, axis.low)[0], epoch)
        for epoch in ticks
        if first <= epoch <= last and epoch == round(epoch)
    ]
    return _macros().line_chart(plot, vertical, horizontal, series)


def interval_plot(
    index: int, values: Sequence[float], mean: float, low: float, high: float, span: tuple[float, float]
) -> Markup:
    """A dot per seed, a bar at the mean, a line over the interval; ``span`` is the axis, shared by a column."""
    width, height = 120, 22

    def x(value: float) -> float:
        unit = (value - span[0]) / (span[1] - span[0]) if span[1] > span[0] else 0.5
        return round(5 + (width - 10) * min(max(unit, 0.0), 1.0), 1)

    bar = x(mean) if len(values) > 1 and math.isfinite(mean) else None
    ends = (x(low), x(high)) if math.isfinite(low) else None
    dots = [x(value) for value in values if math.isfinite(value)]
    return _macros().interval_plot(index, (width, height), dots, bar, ends)


def histogram(index: int, values: np.ndarray, truth: np.ndarray | None, span: tuple[float, float]) -> Markup:
    """How often each value occurs: filled for ``values``, an outline for ``truth``; more bins for more values."""
    width, height = 170, 96
    bins = round(min(max(2 * math.sqrt(len(values)), 8), 32))
    counts = [
        np.histogram(one, bins, span)[0] / max(len(one), 1) if one is not None else np.zeros(bins)
        for one in (values, truth)
    ]
    tallest = max(float(count.max()) for count in counts) or 1.0
    edges = np.linspace(0, width, bins + 1)
    x = np.stack([edges[:-1], edges[1:]], axis=1).ravel()  # steps: both ends of every bin
    bars, outline = (
        _path(list(zip(x, np.repeat(80 - 78 * count / tallest, 2), strict=True))) for count in counts
    )
    return _macros().histogram(index, (width, height), bars, outline if truth is not None else "", span)


def place_chart(names: Sequence[str], places: np.ndarray, errors: np.ndarray, top: float) -> Markup:
    """A circle around each of the ``places`` (K, 2) whose radius is its error, from violet for 0 to orange for ``top``;
    its name is shown under the pointer. What is not finite is left out.
    """
    side, margin = 260, 26
    scale = (side - 2 * margin) / np.nanmax(2 * np.abs(places))
    known = np.isfinite(places).all(1) & np.isfinite(errors)
    colors = [to_hex(color) for color in _ERROR_COLORS(0.25 + 0.55 * errors[known] / (top or 1.0))]
    centres = (side / 2 + scale * places[known]).round(1).tolist()
    own = [name for name, yes in zip(names, known, strict=True) if yes]
    circles = list(
        zip(own, centres, (scale * errors[known]).round(1).tolist(), errors[known], colors, strict=True)
    )
    circles.sort(key=lambda circle: -circle[2])  # the small ones on top, where they can be pointed at
    return _macros().place_chart((side, side), circles)


def reliability_chart(index: int, bins: np.ndarray) -> Markup:
    """A reliability diagram, and below it how many predictions are in each bin.

    Args:
        bins: (M, 3), as ``ClassCounts.reliability`` gives them.
    """
    left, bottom, side, strip = 30, 210, 200, 34
    width = side / len(bins)
    fullest = max(float(bins[:, 0].max()), 1.0)
    bars, gaps, counts = [], [], []
    for place, (number, confidence, right) in enumerate(bins):
        if not number or not math.isfinite(confidence):
            continue
        x, high, low = round(left + place * width, 1), max(confidence, right), min(confidence, right)
        title = f"{number:,.0f} predictions, probability {confidence:.3f}, right {right:.3f}"
        bars.append((x, _at(bottom, side, right), round(width, 1), round(side * right, 1), title))
        gaps.append((x, _at(bottom, side, high), round(width, 1), round(side * (high - low), 1), title))
        counts.append((x, bottom + 4, round(width, 1), round((strip - 4) * number / fullest, 1), title))
    plot = {"left": left, "bottom": bottom, "side": side}
    view = (left + side + 12, bottom + strip + 34)
    return _macros().reliability_chart(index, view, plot, bars, gaps, counts)


def _at(bottom: float, side: float, unit: float) -> float:
    return round(bottom - side * unit, 1)


def _macros() -> Any:
    return TEMPLATES.get_template("charts.html").module


def _axis_over(curves: Sequence[Curve], falling: bool) -> Axis:
    shown = [np.stack([curve.low, curve.mean, curve.high]) for curve in curves]
    if len(curves) > MOST_BANDS:
        shown = [of_curve[1:2] for of_curve in shown]
    values = np.concatenate([of_curve.ravel() for of_curve in shown])
    values = values[np.isfinite(values)]
    if not values.size:
        return Axis.linear(0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if falling and low > 0 and high / low > _LOG_FROM:
        return Axis.log(low, high)
    # First epochs that are far off would press all that follows into one line: the later half sets that end.
    later = np.concatenate([of_curve[:, of_curve.shape[1] // 2 :].ravel() for of_curve in shown])
    if sum(len(curve.mean) for curve in curves) > 20 and np.isfinite(later).any():
        low, high = (low, float(np.nanmax(later))) if falling else (float(np.nanmin(later)), high)
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 0.1
    return Axis.linear(low - margin, high + margin)


def _stretches(known: np.ndarray) -> list[slice]:
    """The runs of ``True``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
    return [slice(*ends) for ends in edges.reshape(-1, 2).tolist()]


def _path(points: Sequence[tuple[float, float]]) -> str:
    """SVG path data through ``points``."""
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
