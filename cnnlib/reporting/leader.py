"""The experiment with the best mean, and how much of that is luck."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cnnlib.reporting.folds import margin_of_folds
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.seed_variance import SeedVariances
from cnnlib.reporting.statistics import LARGEST_LOGARITHM, LEVEL


@dataclass(frozen=True)
class Leader:
    """The best of ``of`` experiments in one metric.

    The best of many is partly the luckiest. The interval covers every experiment's mean at once with 95 %
    (Bonferroni), and so that of whichever was chosen. It covers training again, on the same test images; NaN where
    there is a single seed.
    """

    experiment: str
    mean: float
    low: float
    high: float
    seeds: int
    of: int


def find_leader(suite: SuiteResults, metric: str) -> Leader | None:
    """``None`` where no run defines the metric."""
    seeds = sorted({run.seed for run in suite.runs})
    tables = {
        name: [
            {run.seed: run.test.get(metric, math.nan) for run in runs}.get(seed, math.nan) for seed in seeds
        ]
        for name, runs in suite.finished.items()
    }
    values = np.array([table for table in tables.values() if np.isfinite(table).any()])
    names = [name for name, table in tables.items() if np.isfinite(table).any()]
    if not names:
        return None
    means = np.nanmean(values, axis=1)
    best = int(means.argmax() if suite.ranked_by[metric] else means.argmin())
    low, high = interval_of_best(values, best, ratio=not suite.ranked_by[metric], folds=suite.folds)
    return Leader(
        names[best], float(means[best]), low, high, int(np.isfinite(values[best]).sum()), len(names)
    )


def interval_of_best(
    values: np.ndarray, best: int, ratio: bool, folds: int | None = None
) -> tuple[float, float]:
    """Of one row of ``values`` (experiments, seeds), NaN where there is no run; NaN where no row has two.

    Args:
        ratio: errors, whose noise is a share of them.
        folds: their number where the seeds are folds of a cross-validation.
    """
    ratio = ratio and bool(np.nanmin(values) > 0)
    scores = np.log(values) if ratio else values
    mean = float(np.nanmean(values[best]))
    if np.isfinite(scores).sum(axis=1).max() < 2:
        return math.nan, math.nan
    if folds:
        margin = margin_of_folds(scores[best][np.isfinite(scores[best])], folds, LEVEL / len(values))
    else:
        smallest = (1e-12 * np.nanmax(np.abs(scores))) ** 2
        margin = SeedVariances(scores, False, smallest).of_mean(best).margin(LEVEL / len(values))
    if not ratio:
        return mean - margin, mean + margin
    times = math.exp(min(margin, LARGEST_LOGARITHM))
    return mean / times, mean * times
