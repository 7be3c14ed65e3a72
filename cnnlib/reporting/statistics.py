"""What several runs of each experiment allow one to say, and no more.

**The interval** of an experiment's mean is Student's t over its seeds: it covers training again with a new seed, on the
same data, measured on the same test images.

**The test** of an experiment against the baseline pairs them: the same seed, the same test image, one difference.
Two things vary in such a table of differences (seeds x images) that a new study would draw anew: how training went and
which images were in the test split. Testing over images alone takes the training runs for granted and, with three
seeds, calls two equal methods different far too often; testing over seeds alone ignores that all seeds saw the same
images. Both are therefore random here, as readers and cases are in the evaluation of radiologists:

    difference[s, i] = mean + seed[s] + image[i] + rest[s, i]
    variance of the mean = (MS_seed + max(MS_image - MS_rest, 0)) / (seeds * images)

with mean squares from the two-way analysis of variance and Satterthwaite's degrees of freedom (Clark, 1973, the quasi-F
test; Hillis, 2007, https://doi.org/10.1002/sim.2532, for the bound at zero). With one seed this is the paired t-test
over images, with one image the paired t-test over seeds. Its assumptions: the images are independent of each other, and
means over images are close to normal (some dozens of images). In simulations of equal methods at the 5 % level it spoke
up in 2 to 9 % of cases with three seeds, in up to 12 % with two: a "better" from two seeds is weak evidence.

**Many experiments** give many chances of a false finding: p-values are Holm's (1979) over the experiments, metric by
metric, which keeps the chance of any false finding at the level whatever the dependence between the tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from cnnlib.files import write_csv
from cnnlib.reporting.reader import Suite, read_suite

LEVEL = 0.05
"""The chance of a false finding that is accepted; intervals cover 1 - LEVEL."""


@dataclass(frozen=True)
class Summary:
    """One metric of one experiment over its seeds; ``std``, ``low`` and ``high`` are NaN where ``n`` is 1."""

    experiment: str
    metric: str
    mean: float
    std: float
    n: int
    low: float
    high: float


@dataclass(frozen=True)
class PairedTest:
    """A mean difference, its 95 % interval, and the p-value of there being none."""

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """An experiment against the baseline in one metric.

    ``test`` (its p-value not corrected) is ``None`` where nothing could be compared; ``p`` is Holm's.
    """

    verdict: str
    p: float
    test: PairedTest | None
    seeds: int
    images: int


def summarise(results: Mapping[str, Mapping[int, Mapping[str, float]]]) -> list[Summary]:
    """Mean, standard deviation (n - 1) and 95 % t-interval of every metric of every experiment.

    Args:
        results: experiment, seed, metric to value. NaN (a metric that is undefined for a run) is left out,
            which ``n`` shows.
    """
    rows = []
    for experiment, runs in results.items():
        for metric in dict.fromkeys(metric for values in runs.values() for metric in values):
            known = np.array([values.get(metric, math.nan) for values in runs.values()], dtype=float)
            rows.append(Summary(experiment, metric, *_mean_and_interval(known[np.isfinite(known)])))
    return rows


def compare_to_baseline(
    per_image: Mapping[str, Mapping[int, Mapping[str, float]]], baseline: str, higher_is_better: bool
) -> dict[str, Comparison]:
    """Tests every experiment's difference to ``baseline`` in one metric, paired over seeds and images.

    Args:
        per_image: experiment, seed, image name to the metric's value. An image that is undefined (NaN) or missing
            in any run of a pair is left out of that pair; so is a seed that only one of the two has.
        baseline: one of the experiments.
        higher_is_better: what "better" means.
    """
    tables = {
        name: paired_differences(runs, per_image[baseline])
        for name, runs in per_image.items()
        if name != baseline
    }
    tests = {name: paired_test(table) if table.size > 1 else None for name, table in tables.items()}
    tested = [name for name, test in tests.items() if test]
    corrected = dict(zip(tested, holm([tests[name].p for name in tested]), strict=True))
    found = {baseline: Comparison("baseline", math.nan, None, 0, 0)}
    for name, test in tests.items():
        seeds, images = tables[name].shape
        p = corrected.get(name, math.nan)
        found[name] = Comparison(_verdict(test, p, higher_is_better, seeds), p, test, seeds, images)
    return {name: found[name] for name in per_image}


def paired_differences(
    runs: Mapping[int, Mapping[str, float]], baseline: Mapping[int, Mapping[str, float]]
) -> np.ndarray:
    """Experiment minus baseline, (seeds, images), of the seeds and images that both have and define."""
    seeds = [seed for seed in runs if seed in baseline]
    if not seeds:
        return np.zeros((0, 0))
    both = [table for seed in seeds for table in (runs[seed], baseline[seed])]
    images = [name for name in both[0] if all(math.isfinite(table.get(name, math.nan)) for table in both)]
    table = [[runs[seed][name] - baseline[seed][name] for name in images] for seed in seeds]
    return np.array(table, dtype=float).reshape(len(seeds), len(images))


def paired_test(table: np.ndarray) -> PairedTest:
    """Whether the mean of ``table`` (seeds, images) differs from zero, both axes random (see the module).

    Raises:
        ValueError: fewer than two values, from which no variance can be told.
    """
    seeds, images = table.shape
    if table.size < 2:
        raise ValueError(f"needs at least two seeds or two images; got {seeds} seeds and {images} images")
    mean = float(table.mean())
    by_seed, by_image = table.mean(axis=1) - mean, table.mean(axis=0) - mean
    rest = table - mean - by_seed[:, None] - by_image
    ms_seed, dof_seed = _mean_square(by_seed * math.sqrt(images), seeds - 1)
    ms_image, dof_image = _mean_square(by_image * math.sqrt(seeds), images - 1)
    ms_rest, dof_rest = _mean_square(rest, (seeds - 1) * (images - 1))

    total, spread = ms_seed, ms_seed**2 / dof_seed
    if ms_image > ms_rest:
        total += ms_image - ms_rest
        spread += ms_image**2 / dof_image + ms_rest**2 / dof_rest
    if total <= (1e-12 * abs(mean)) ** 2 * table.size:  # no spread beyond rounding: nothing to divide by
        return PairedTest(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    error, dof = math.sqrt(total / table.size), total**2 / spread
    reach = float(stats.t.ppf(1 - LEVEL / 2, dof)) * error
    return PairedTest(mean, mean - reach, mean + reach, float(2 * stats.t.sf(abs(mean) / error, dof)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the smallest of m is multiplied by m, the next by m - 1, and so on."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def compare_suite(suite: Suite) -> dict[str, dict[str, Comparison]]:
    """Metric, experiment to comparison: in the metrics that the runs are ranked by, and only in those.

    These were declared before anything ran. Empty for a single experiment, or where the baseline has no finished run.
    """
    finished = suite.by_experiment()
    if suite.baseline not in finished or len(finished) < 2:
        return {}
    return {
        metric: compare_to_baseline(
            {
                name: {run.seed: run.per_image.get(metric, {}) for run in runs}
                for name, runs in finished.items()
            },
            suite.baseline,
            higher_is_better,
        )
        for metric, higher_is_better in suite.ranked_by.items()
    }


def summarise_suite(suite: Suite) -> list[Summary]:
    return summarise(
        {name: {run.seed: run.test for run in runs} for name, runs in suite.by_experiment().items()}
    )


def write_summary(folder: Path) -> Path:
    """``summary.csv`` of the suite in ``folder``: a row an experiment and metric.

    Columns: experiment, metric, mean, std, n, low, high (95 % t-interval), verdict, p (Holm's). The last two are
    empty but for the metrics that the runs are ranked by.

    Raises:
        CnnlibError: ``folder`` holds no suite.
    """
    suite = read_suite(folder)
    comparisons = compare_suite(suite)
    rows = []
    for summary in summarise_suite(suite):
        comparison = comparisons.get(summary.metric, {}).get(summary.experiment)
        tested = {"verdict": comparison.verdict, "p": comparison.p} if comparison else {}
        rows.append(vars(summary) | tested)
    path = folder / "summary.csv"
    write_csv(path, ["experiment", "metric", "mean", "std", "n", "low", "high", "verdict", "p"], rows)
    return path


def _mean_and_interval(values: np.ndarray) -> tuple[float, float, int, float, float]:
    if len(values) < 2:
        return float(values.mean()) if len(values) else math.nan, math.nan, len(values), math.nan, math.nan
    mean, std = float(values.mean()), float(values.std(ddof=1))
    reach = float(stats.t.ppf(1 - LEVEL / 2, len(values) - 1)) * std / math.sqrt(len(values))
    return mean, std, len(values), mean - reach, mean + reach


def _mean_square(deviations: np.ndarray, degrees: int) -> tuple[float, int]:
    """The mean square and its degrees of freedom; 0 (with a 1 to divide by) where there are none."""
    return (float((deviations**2).sum()) / degrees, degrees) if degrees else (0.0, 1)


def _verdict(test: PairedTest | None, p: float, higher_is_better: bool, seeds: int) -> str:
    if test is None:
        return "not compared"
    word = "better" if (test.difference > 0) == higher_is_better else "worse"
    if p >= LEVEL:
        word = "no difference shown"
    return f"{word} (this training run only)" if seeds == 1 else word
