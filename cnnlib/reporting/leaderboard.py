"""The table that answers the suite's question, and the answer in a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cnnlib.reporting.charts import interval_plot
from cnnlib.reporting.reader import Run, Suite
from cnnlib.reporting.statistics import Comparison, Summary, compare_suite, summarise_suite


def number(value: float | None) -> str:
    """Four decimals, fewer for large values; n/a for what is undefined."""
    if value is None or not math.isfinite(value):
        return "n/a"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


@dataclass(frozen=True)
class Cell:
    """One metric of one experiment."""

    summary: Summary
    comparison: Comparison | None
    plot: Markup

    @property
    def reach(self) -> float:
        """Half the interval's width."""
        return (self.summary.high - self.summary.low) / 2


@dataclass(frozen=True)
class Leaderboard:
    """Experiments (best first, by the first of ``ranked``) by metrics.

    Attributes:
        ranked: the metrics that runs are ranked by; whether higher is better.
        others: the rest, but for losses, which differ in kind between experiments.
        rows: experiment to metric to cell.
        mean_image: metric to what the constant predictor gets; NaN where the experiments' data differ.
        findings: for each of ``ranked``, what can be said in a sentence or two.
    """

    ranked: Mapping[str, bool]
    others: Sequence[str]
    rows: Mapping[str, Mapping[str, Cell]]
    mean_image: Mapping[str, float]
    findings: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, suite: Suite, indices: Mapping[str, int]) -> Leaderboard:
        ranked = suite.ranked_by
        comparisons = compare_suite(suite)
        summaries: dict[str, dict[str, Summary]] = {name: {} for name in indices}
        for summary in summarise_suite(suite):
            summaries[summary.experiment][summary.metric] = summary
        mean_image = suite.mean_image
        metrics = list(dict.fromkeys([*ranked, *mean_image]))
        spans = {metric: _span(suite.runs, metric) for metric in metrics}
        rows = {}
        for name in _best_first(summaries, ranked):
            runs = suite.by_experiment()[name]
            rows[name] = {
                metric: Cell(
                    summary,
                    comparisons.get(metric, {}).get(name),
                    interval_plot(
                        indices[name],
                        [run.test.get(metric, math.nan) for run in runs],
                        summary.mean,
                        summary.low,
                        summary.high,
                        spans[metric],
                    ),
                )
                for metric in metrics
                if (summary := summaries[name].get(metric))
            }
        findings = {
            metric: _findings(metric, higher, rows, suite.baseline, mean_image.get(metric, math.nan))
            for metric, higher in ranked.items()
        }
        return cls(ranked, [metric for metric in metrics if metric not in ranked], rows, mean_image, findings)

    @property
    def several_seeds(self) -> bool:
        return any(cell.summary.n > 1 for row in self.rows.values() for cell in row.values())

    @property
    def compared(self) -> bool:
        return any(cell.comparison for row in self.rows.values() for cell in row.values())


def _best_first(summaries: Mapping[str, Mapping[str, Summary]], ranked: Mapping[str, bool]) -> list[str]:
    if not ranked:
        return list(summaries)
    metric, higher_is_better = next(iter(ranked.items()))

    def rank(name: str) -> float:
        mean = summaries[name][metric].mean if metric in summaries[name] else math.nan
        return math.inf if math.isnan(mean) else -mean if higher_is_better else mean

    return sorted(summaries, key=rank)


def _span(runs: Iterable[Run], metric: str) -> tuple[float, float]:
    """The axis of a column: every seed's value and a little air."""
    values = [value for run in runs if math.isfinite(value := run.test.get(metric, math.nan))]
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def _findings(
    metric: str,
    higher_is_better: bool,
    rows: Mapping[str, Mapping[str, Cell]],
    baseline: str,
    mean_image: float,
) -> list[str]:
    cells = {
        name: row[metric]
        for name, row in rows.items()
        if metric in row and math.isfinite(row[metric].summary.mean)
    }
    if not cells:
        return []
    direction = max if higher_is_better else min
    best = direction(cells, key=lambda name: cells[name].summary.mean)
    top = cells[best].summary
    sentences = [f"{'Highest' if higher_is_better else 'Lowest'}: {best} with {number(top.mean)}."]
    if len(cells) == 1:
        sentences = [f"{best} reaches {number(top.mean)}."]
    if math.isfinite(mean_image):
        sentences.append(f"The mean image gets {number(mean_image)}.")
    if top.n > 1:
        sentences[0] = (
            sentences[0][:-1] + f" (95 % interval {number(top.low)} to {number(top.high)}, {top.n} seeds)."
        )
    verdicts: dict[str, list[str]] = {}
    for name, cell in cells.items():
        if cell.comparison and name != baseline:
            verdicts.setdefault(cell.comparison.verdict, []).append(name)
    if verdicts:
        told = "; ".join(f"{verdict}: {', '.join(names)}" for verdict, names in sorted(verdicts.items()))
        sentences.append(f"Against the baseline {baseline}, {told}.")
    return sentences
