"""A confusion matrix and a reliability diagram as pictures, for TensorBoard."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from cnnlib.reporting.templates import compact, percent
from cnnlib.tasks.class_counts import ClassCounts

_MOST_WRITTEN = 30  # classes; with more, the numbers in the cells could not be read
_DARK = 0.5  # shares from here on are written in white


def confusion_picture(counts: ClassCounts) -> Tensor:
    """A heat map of the rows' shares with the counts in the cells, uint8 (3, H, W)."""
    n, shares = len(counts.names), np.nan_to_num(counts.row_shares)
    side = min(max(0.55 * n, 3.0), 14.0)
    figure = Figure((side + 2.2, side + 1.6), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(n), counts.names, rotation=90 if n > 4 else 0)
    axes.set_yticks(range(n), counts.names)
    axes.set(xlabel="predicted", ylabel="true", title=f"{counts.unit} and the share of the row")
    if n <= _MOST_WRITTEN:
        _write_cells(axes, counts, shares)
    return _drawn(figure)


def _write_cells(axes: Axes, counts: ClassCounts, shares: np.ndarray) -> None:
    for row, column in np.ndindex(shares.shape):
        share, count = float(shares[row, column]), counts.pairs[row][column]
        if count:
            words, color = f"{compact(count)}\n{percent(share)}", "white" if share >= _DARK else "black"
            axes.text(column, row, words, ha="center", va="center", color=color, fontsize=8)


def reliability_picture(counts: ClassCounts) -> Tensor:
    """The share that is right in each bin of the probability, and how many predictions it holds, uint8 (3, H, W)."""
    number, confidence, right = counts.reliability.T
    edges = np.arange(len(number)) / len(number)
    figure = Figure((4.4, 5.2), dpi=100, layout="constrained")
    upper, lower = figure.subplots(2, height_ratios=(4, 1), sharex=True)
    shape = {"width": 1 / len(number), "align": "edge", "edgecolor": "white"}
    upper.bar(edges, right, label="right", **shape)
    upper.plot(confidence, confidence, "o", color="black", markersize=3, label="mean probability")
    upper.plot([0, 1], [0, 1], "--", color="gray")
    upper.set(xlim=(0, 1), ylim=(0, 1), title=f"expected calibration error {counts.calibration_error:.4f}")
    upper.legend(loc="upper left")
    lower.bar(edges, number, color="gray", **shape)
    lower.set(xlabel="probability", ylabel="predictions")
    return _drawn(figure)


def _drawn(figure: Figure) -> Tensor:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return torch.from_numpy(np.array(canvas.buffer_rgba())[..., :3]).permute(2, 0, 1)
