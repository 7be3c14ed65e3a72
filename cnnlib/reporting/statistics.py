"""What several runs of each experiment allow one to say, and no more.

**The interval** of an experiment's mean is Student's t over its seeds: it covers training again with a new seed, on the
same data, measured on the same test images.

**The test** of an experiment against the baseline compares them image by image. Two things vary that a new study would
draw anew: how training went and which images were in the test split. Testing over images alone takes the training runs
for granted and, with three seeds, calls two equal methods different far too often; testing over seeds alone ignores
that all runs saw the same images. Both are therefore random here, as readers and cases are in the evaluation of
radiologists: the seeds nested in their experiment, the images crossed with all,

    score[e, s, i] = mean[e] + seed[e, s] + image[e, i] + rest[e, s, i]
    variance of the difference of e and b = seed_variance[e] / seeds[e] + seed_variance[b] / seeds[b]
                                            + max(by_image - rest[e] / seeds[e] - rest[b] / seeds[b], 0) / images

with ``seed_variance`` that of a run's mean over the images, ``by_image`` the variance over the images of their
difference (each image's mean over the seeds of e less that over those of b), ``rest`` the residual mean square of an
experiment's table of seeds and images, which both of the former hold already, and Satterthwaite's degrees of freedom
(the bound at zero: Hillis, 2007, https://doi.org/10.1002/sim.2532). With one image this is Welch's t-test over the
seeds; with one seed, the paired t-test over the images.

Three seeds tell little of a seed variance, but twenty experiments of three seeds tell much of what such variances are
in the suite. Each is therefore drawn towards the others' by an empirical Bayes estimate (Smyth, 2004,
https://doi.org/10.2202/1544-6115.1027), with more degrees of freedom for it; and, which is stricter than Smyth, never
below what its own seeds show, so that an unsteady experiment does not borrow the steadiness of the rest.

The seeds are not paired, though runs of equal seeds share their first weights and the order of images: that makes them
less alike than one would think (in the loss zoo, 15 % of the seeds' variance is common to all losses for the mask, 39 %
for depth), and pairing would halve the degrees of freedom, which weighs more with three seeds.

The assumptions: the images are independent of each other, and means over images are close to normal (some dozens of
images). Images that are not independent, because they share a background, say, come as one group of the data set; its
mean then counts as one image. In simulated suites of 2 to 20 equal experiments with three or five seeds, there was a
false finding in 1 to 9 % of them (13 % where every fifth experiment varied twenty times as much as the rest); with
two seeds in 2 to 12 % (25 %): a "better" from two seeds is weak evidence.

**Many experiments** give many chances of a false finding: p-values are Holm's (1979) over the experiments, metric by
metric, which keeps the chance of any false finding at the level whatever the dependence between the tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import numpy as np
from scipy import optimize, special, stats

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
class DifferenceTest:
    """A mean difference, its 95 % interval, and the p-value of there being none."""

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class SeedVariance:
    """How a training run's mean over the images varies with the seed, and how surely that is known."""

    value: float
    degrees: float


@dataclass(frozen=True)
class Comparison:
    """An experiment against the baseline in one metric.

    ``seeds`` is the smaller of the two numbers of runs; ``images`` counts a group of images that are not independent
    as one. ``test`` (its p-value not corrected) is ``None`` where nothing could be compared; ``p`` is Holm's.
    """

    verdict: str
    p: float
    test: DifferenceTest | None
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
    """Tests every experiment's difference to ``baseline`` in one metric, over the images that both define.

    Args:
        per_image: experiment, seed, image name to the metric's value. An image that is undefined (NaN) or missing
            in any run of an experiment is left out of it.
        baseline: one of the experiments.
        higher_is_better: what "better" means.
    """
    tables = {name: _by_image(runs) for name, runs in per_image.items()}
    variances = _moderated({name: _seed_variance(table) for name, table in tables.items()})
    pairs = {
        name: _on_same_images(table, tables[baseline]) for name, table in tables.items() if name != baseline
    }
    tests = {
        name: difference_test(*pair, variances[name], variances[baseline])
        for name, pair in pairs.items()
        if min(len(table) for table in pair) > 1 or pair[0].shape[1] > 1
    }
    corrected = dict(zip(tests, holm([test.p for test in tests.values()]), strict=True))
    found = {baseline: Comparison("baseline", math.nan, None, 0, 0)}
    for name, (ours, base) in pairs.items():
        test, p, seeds = tests.get(name), corrected.get(name, math.nan), min(len(ours), len(base))
        verdict = _verdict(test, p, higher_is_better, seeds)
        found[name] = Comparison(verdict, p, test, seeds, ours.shape[1])
    return {name: found[name] for name in per_image}


def difference_test(
    ours: np.ndarray, base: np.ndarray, our_variance: SeedVariance | None, base_variance: SeedVariance | None
) -> DifferenceTest:
    """Whether two experiments' means differ, seeds and images both random (see the module).

    Args:
        ours, base: (seeds, images), the same images in both; the seeds need not be the same, nor as many.
        our_variance, base_variance: of the seeds. Where one of the two is ``None``, there being a single run, both
            experiments' runs are taken as they are: the images alone are random.

    Raises:
        ValueError: one run each and one image, from which no variance can be told.
    """
    by_image = ours.mean(axis=0) - base.mean(axis=0)
    images, mean = by_image.size, float(by_image.mean())
    parts: list[tuple[float, float]] = []  # of the variance, with their degrees of freedom
    rest: list[tuple[float, float]] = []
    if our_variance and base_variance:
        for table, variance in ((ours, our_variance), (base, base_variance)):
            parts.append((variance.value / len(table), variance.degrees))
            if images > 1:
                degrees = (len(table) - 1) * (images - 1)
                rest.append((_mean_square_of_rest(table) / (len(table) * images), degrees))
    elif images < 2:
        raise ValueError("one run of each experiment on one image: needs at least two seeds or two images")
    if images > 1:
        image = float(by_image.var(ddof=1)) / images
        if image > sum(value for value, _ in rest):
            parts += [(image, images - 1), *((-value, degrees) for value, degrees in rest)]
    total = sum(value for value, _ in parts)
    scale = max(float(np.abs(ours).max()), float(np.abs(base).max()))
    if total <= (1e-12 * scale) ** 2:  # no spread beyond rounding: nothing to divide by
        return DifferenceTest(mean, mean, mean, 1.0 if abs(mean) <= 1e-12 * scale else 0.0)
    degrees = total**2 / sum(value**2 / degrees for value, degrees in parts)
    error = math.sqrt(total)
    reach = float(stats.t.ppf(1 - LEVEL / 2, degrees)) * error
    return DifferenceTest(mean, mean - reach, mean + reach, float(2 * stats.t.sf(abs(mean) / error, degrees)))


def moderate(variances: Sequence[SeedVariance]) -> list[SeedVariance]:
    """Each variance drawn towards what the others suggest, and never below itself.

    The prior is a scaled inverse chi-squared; its scale and degrees of freedom come from the mean and the variance of
    the logarithms (Smyth, 2004, section 6.2). The degrees of freedom stay within half of all that there are: a
    difference has two such variances.
    """
    known = [one for one in variances if one.value > 0]
    if len(known) < 2:
        return list(variances)
    half = np.array([one.degrees for one in known]) / 2
    logs = np.log([one.value for one in known]) - special.digamma(half) + np.log(half)
    excess = float(logs.var(ddof=1) - special.polygamma(1, half).mean())
    pool = sum(one.degrees for one in known)
    if excess > 1e-6:
        half_prior = optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-9, 1e9)
        prior = math.exp(logs.mean() + special.digamma(half_prior) - math.log(half_prior))
        weight = 2 * half_prior
    else:  # they differ by no more than chance: all are the same variance
        prior = sum(one.value * one.degrees for one in known) / pool
        weight = 1e9
    drawn = []
    for one in variances:
        value = (weight * prior + one.degrees * one.value) / (weight + one.degrees)
        degrees = max(one.degrees, min(weight + one.degrees, pool / 2))
        drawn.append(SeedVariance(max(one.value, value), degrees))
    return drawn


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
    compared = {}
    for metric, higher_is_better in suite.ranked_by.items():
        per_image = {
            name: {run.seed: _by_group(run.per_image.get(metric, {}), run.groups) for run in runs}
            for name, runs in finished.items()
        }
        means = {
            name: mean(run.test.get(metric, math.nan) for run in runs) for name, runs in finished.items()
        }
        compared[metric] = {
            name: _unless_contradicted(comparison, means[name] - means[suite.baseline])
            for name, comparison in compare_to_baseline(per_image, suite.baseline, higher_is_better).items()
        }
    return compared


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


def _by_image(runs: Mapping[int, Mapping[str, float]]) -> dict[str, np.ndarray]:
    """Image name to the metric's values, a run each; only images that every run defines."""
    names = next(iter(runs.values()), {})
    values = {
        name: np.array([run.get(name, math.nan) for run in runs.values()], dtype=float) for name in names
    }
    return {name: of_runs for name, of_runs in values.items() if np.isfinite(of_runs).all()}


def _by_group(values: Mapping[str, float], groups: Mapping[str, str]) -> dict[str, float]:
    """Group to the mean of its images, the undefined ones left out."""
    members: dict[str, list[float]] = {}
    for image, value in values.items():
        if math.isfinite(value):
            members.setdefault(groups[image], []).append(value)
    return {group: mean(of_group) for group, of_group in members.items()}


def _on_same_images(
    ours: Mapping[str, np.ndarray], base: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Both as (seeds, images), of the images that both have; (0, 0) where there are none."""
    images = [name for name in ours if name in base]
    if not images:
        return np.zeros((0, 0)), np.zeros((0, 0))
    return np.stack([ours[name] for name in images], axis=1), np.stack(
        [base[name] for name in images], axis=1
    )


def _seed_variance(table: Mapping[str, np.ndarray]) -> SeedVariance | None:
    """``None`` for a single run."""
    means = np.mean(list(table.values()), axis=0) if table else np.zeros(0)
    return SeedVariance(float(means.var(ddof=1)), len(means) - 1) if len(means) > 1 else None


def _moderated(variances: Mapping[str, SeedVariance | None]) -> dict[str, SeedVariance | None]:
    known = [name for name, variance in variances.items() if variance]
    return dict(variances) | dict(zip(known, moderate([variances[name] for name in known]), strict=True))


def _mean_square_of_rest(table: np.ndarray) -> float:
    """Of a two-way table, what neither its rows nor its columns explain."""
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    return float((rest**2).sum()) / ((len(table) - 1) * (table.shape[1] - 1))


def _unless_contradicted(comparison: Comparison, difference: float) -> Comparison:
    """ "unclear" where the images one by one say the opposite of ``difference``, the whole split's.

    A method can be better on most images and worse on the few with most of the pixels.
    """
    shown = comparison.test is not None and comparison.p < LEVEL
    return (
        replace(comparison, verdict="unclear")
        if shown and comparison.test.difference * difference < 0
        else comparison
    )


def _verdict(test: DifferenceTest | None, p: float, higher_is_better: bool, seeds: int) -> str:
    if test is None:
        return "not compared"
    word = "better" if (test.difference > 0) == higher_is_better else "worse"
    if p >= LEVEL:
        word = "no difference shown"
    return f"{word} (this training run only)" if seeds == 1 else word
