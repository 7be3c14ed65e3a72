"""Tables in plain text."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cnnlib.reporting.templates import compact, percent
from cnnlib.tasks.class_counts import ClassCounts


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of equal columns, two blanks apart; the first ``left`` columns are flush left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def cell(index: int, text: str) -> str:
        return text.ljust(widths[index]) if index < left else text.rjust(widths[index])

    return ["  ".join(cell(index, text) for index, text in enumerate(row)).rstrip() for row in rows]


def decimal(value: float | None) -> str:
    """Four decimals; ``n/a`` for what is undefined."""
    return "n/a" if value is None or not math.isfinite(value) else f"{value:.4f}"


def confusion_lines(counts: ClassCounts) -> list[str]:
    """Counts in all columns but the last, which is the share of the row that is right."""
    shares = counts.row_shares.diagonal()
    rows = [
        [name, *map(compact, row), "n/a" if np.isnan(share) else percent(share)]
        for name, row, share in zip(counts.names, counts.pairs, shares, strict=True)
    ]
    return aligned([["true \\ predicted", *counts.names, "right"], *rows])


def score_lines(counts: ClassCounts) -> list[str]:
    """A row for each class, and their mean, without what is undefined."""
    columns = [counts.score(name) for name in counts.scores]
    rows = [
        [name, *(decimal(column[index]) for column in columns), str(counts.truth[index])]
        for index, name in enumerate(counts.names)
    ]
    mean = ["mean", *(decimal(counts.mean(name)) for name in counts.scores), str(sum(counts.truth))]
    return aligned([["class", *counts.scores, "support"], *rows, mean])


def calibration_lines(counts: ClassCounts) -> list[str]:
    """A row for each bin that is not empty, and the error."""
    bins, edges = counts.reliability, np.linspace(0, 1, len(counts.reliability) + 1)
    rows = [
        [f"{low:.3f} to {high:.3f}", f"{number:.0f}", decimal(confidence), decimal(right)]
        for low, high, (number, confidence, right) in zip(edges[:-1], edges[1:], bins, strict=True)
        if number
    ]
    heads = ["probability", "predictions", "mean probability", "share right"]
    return [*aligned([heads, *rows]), f"expected calibration error {decimal(counts.calibration_error)}"]
