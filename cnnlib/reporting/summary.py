"""Each experiment's metrics over its seeds, and ``summary.csv``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from cnnlib.files import write_csv
from cnnlib.reporting.comparison import Comparison, Verdict, compare_suite
from cnnlib.reporting.folds import margin_of_folds
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.statistics import LEVEL
from cnnlib.reporting.words import verdict_words


@dataclass(frozen=True)
class Summary:
    """One metric of one experiment over its seeds; ``std``, ``low`` and ``high`` are NaN where ``n`` is 1.

    ``n`` counts the runs that define it, ``undefined`` the others.
    """

    experiment: str
    metric: str
    mean: float
    std: float
    n: int
    undefined: int
    low: float
    high: float

    @property
    def margin(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


def summarise(
    results: Mapping[str, Mapping[int, Mapping[str, float]]], folds: int | None = None
) -> list[Summary]:
    """Mean, standard deviation (n - 1) and 95 % t-interval of every metric of every experiment.

    Args:
        results: experiment, seed, metric to value. NaN (a metric that is undefined for a run) is left out.
        folds: their number where the seeds are folds of a cross-validation; the interval allows for their overlap.
    """
    rows = []
    for experiment, runs in results.items():
        for metric in dict.fromkeys(metric for values in runs.values() for metric in values):
            known = np.array([values.get(metric, math.nan) for values in runs.values()], dtype=float)
            mean, std, low, high = _mean_and_interval(known[np.isfinite(known)], folds)
            n = int(np.isfinite(known).sum())
            rows.append(Summary(experiment, metric, mean, std, n, len(runs) - n, low, high))
    return rows


def summarise_suite(suite: SuiteResults) -> list[Summary]:
    results = {name: {run.seed: run.test for run in runs} for name, runs in suite.finished.items()}
    return summarise(results, suite.folds)


def write_summary(suite: SuiteResults) -> Path:
    """``summary.csv`` in the suite's folder: one row per experiment and metric.

    Columns: experiment, metric, mean, std, n, undefined (runs), low, high (95 % t-interval), verdict, effect (the
    difference to the baseline; of errors the ratio), effect_low, effect_high (its 95 % interval), p (of no difference),
    margin, p_equal (of a difference beyond the margin), more_seeds (that would probably decide it). Those from verdict
    on are empty except for the metrics in which experiments are compared.
    """
    compared = compare_suite(suite)
    rows = []
    for summary in summarise_suite(suite):
        metric = compared.get(summary.metric)
        comparison = metric and metric.experiments.get(summary.experiment)
        rows.append(vars(summary) | (_tested(comparison) if comparison else {}))
    path = suite.folder / "summary.csv"
    write_csv(
        path, [*(field.name for field in fields(Summary)), *_tested(Comparison(Verdict.BASELINE))], rows
    )
    return path


def _tested(comparison: Comparison) -> dict[str, float | str | None]:
    effect, low, high = comparison.effect
    return {
        "verdict": verdict_words(comparison),
        "effect": effect,
        "effect_low": low,
        "effect_high": high,
        "p": comparison.p,
        "margin": comparison.margin,
        "p_equal": comparison.p_equal,
        "more_seeds": comparison.more_seeds,
    }


def _mean_and_interval(values: np.ndarray, folds: int | None) -> tuple[float, float, float, float]:
    if len(values) < 2:
        return float(values.mean()) if len(values) else math.nan, math.nan, math.nan, math.nan
    mean, std = float(values.mean()), float(values.std(ddof=1))
    margin = margin_of_folds(values, folds, LEVEL)
    return mean, std, mean - margin, mean + margin
