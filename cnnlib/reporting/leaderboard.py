"""The table that answers the suite's question, and the answer in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cnnlib.reporting.charts import interval_plot
from cnnlib.reporting.comparison import Comparison, MetricComparisons, Verdict, compare_suite
from cnnlib.reporting.leader import Leader, find_leader
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_result import RunResult
from cnnlib.reporting.summary import Summary, summarise_suite
from cnnlib.reporting.templates import number
from cnnlib.reporting.words import plan_words, verdict_words


@dataclass(frozen=True)
class Cell:
    """One metric of one experiment."""

    summary: Summary
    comparison: Comparison | None
    plot: Markup


@dataclass(frozen=True)
class Leaderboard:
    """Experiments (best first, by the first of the metrics that runs are ranked by) by metrics.

    Attributes:
        others: the other metrics by task, without losses, which differ in kind between experiments.
        of_names: those of a single class or point, by task.
        rows: experiment to metric to cell.
        measured: metric to the number of test images that it is of, where those are not all.
        findings: for each metric that runs are ranked by, what can be said in a sentence or two.
        shared: metric to the share of the seeds' variance that runs of one seed have in common, where it is known.
    """

    others: Mapping[str, Sequence[str]]
    of_names: Mapping[str, Sequence[str]]
    rows: Mapping[str, Mapping[str, Cell]]
    measured: Mapping[str, int]
    findings: Mapping[str, Sequence[str]]
    shared: Mapping[str, float]

    @classmethod
    def of(cls, suite: SuiteResults, indices: Mapping[str, int]) -> Leaderboard:
        metrics = list(dict.fromkeys([*suite.ranked_by, *suite.constant]))
        compared = compare_suite(suite)
        rows = _rows(suite, indices, metrics, compared)
        findings = {metric: _findings(metric, suite, rows) for metric in suite.ranked_by}
        others: dict[str, list[str]] = {}
        of_names: dict[str, list[str]] = {}
        for metric in metrics:
            if metric not in suite.ranked_by:
                group = of_names if _is_of_a_name(metric, suite) else others
                group.setdefault(metric.partition("/")[0], []).append(metric)
        measured = {metric: suite.measured(metric) for metric in metrics}
        some = {metric: count for metric, count in measured.items() if 0 < count < len(suite.groups)}
        shared = {metric: found.shared for metric, found in compared.items() if found.shared is not None}
        return cls(others, of_names, rows, some, findings, shared)


def _rows(
    suite: SuiteResults,
    indices: Mapping[str, int],
    metrics: Sequence[str],
    compared: Mapping[str, MetricComparisons],
) -> dict[str, dict[str, Cell]]:
    summaries: dict[str, dict[str, Summary]] = {name: {} for name in indices}
    for summary in summarise_suite(suite):
        summaries[summary.experiment][summary.metric] = summary
    spans = {metric: _span(suite.runs, metric) for metric in metrics}

    def cell(name: str, metric: str) -> Cell:
        summary = summaries[name][metric]
        values = [run.test.get(metric, math.nan) for run in suite.finished[name]]
        plot = interval_plot(indices[name], values, summary.mean, summary.low, summary.high, spans[metric])
        comparison = compared[metric].experiments.get(name) if metric in compared else None
        return Cell(summary, comparison, plot)

    return {
        name: {metric: cell(name, metric) for metric in metrics if metric in summaries[name]}
        for name in _best_first(summaries, suite.ranked_by)
    }


def _best_first(summaries: Mapping[str, Mapping[str, Summary]], ranked: Mapping[str, bool]) -> list[str]:
    metric, higher_is_better = next(iter(ranked.items()), ("", True))
    means = {name: of[metric].mean if metric in of else math.nan for name, of in summaries.items()}
    sign = -1 if higher_is_better else 1
    return sorted(means, key=lambda name: math.inf if math.isnan(means[name]) else sign * means[name])


def _is_of_a_name(metric: str, suite: SuiteResults) -> bool:
    """Whether it is one of as many metrics as the task has names: ``iou_<class>``, for every class."""
    task = suite.tasks.get(metric.partition("/")[0])
    names = task.info.names if task else ()
    stems = [metric.removesuffix(name) for name in names if metric.endswith(f"_{name}")]
    return any(all(f"{stem}{name}" in suite.constant for name in names) for stem in stems)


def _span(runs: Sequence[RunResult], metric: str) -> tuple[float, float]:
    """The axis of a column: every seed's value and a little air."""
    values = [value for run in runs if math.isfinite(value := run.test.get(metric, math.nan))]
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def _findings(metric: str, suite: SuiteResults, rows: Mapping[str, Mapping[str, Cell]]) -> list[str]:
    leader = find_leader(suite, metric)
    if leader is None:
        return []
    sentences = [_leader_words(leader, suite.ranked_by[metric])]
    if math.isfinite(constant := suite.constant.get(metric, math.nan)):
        sentences.append(f"The constant predictor gets {number(constant)}.")
    verdicts: dict[tuple[int, str], list[str]] = {}
    plans: list[tuple[int, str]] = []
    for name, row in rows.items():
        comparison = row[metric].comparison if metric in row else None
        if comparison and name != suite.baseline:
            order = list(Verdict).index(comparison.verdict)
            verdicts.setdefault((order, verdict_words(comparison)), []).append(name)
            if comparison.more_seeds:
                plans.append((comparison.more_seeds, f"{name} needs {plan_words(comparison)}"))
    if verdicts:
        listed = "; ".join(f"{words}: {', '.join(names)}" for (_, words), names in sorted(verdicts.items()))
        sentences.append(f"Against the baseline {suite.baseline}, {listed}.")
    elif len(suite.finished) > 1 and metric not in suite.tested_by:
        sentences.append(f"Not tested: the suite's main task is {suite.main_task}.")
    if plans:
        sentences.append(f"To decide more, {min(plans)[1]}.")
    return sentences


def _leader_words(leader: Leader, higher_is_better: bool) -> str:
    word = "Highest" if higher_is_better else "Lowest"
    interval = ""
    if math.isfinite(leader.low):
        interval = f" (95 % interval {number(leader.low)} to {number(leader.high)}, {leader.seeds} seeds"
        interval += f", wide enough for the best of {leader.of})" if leader.of > 1 else ")"
    opening = f"{word}: {leader.experiment} with" if leader.of > 1 else f"{leader.experiment} reaches"
    return f"{opening} {number(leader.mean)}{interval}."
