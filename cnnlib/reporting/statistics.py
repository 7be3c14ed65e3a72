"""What several runs of each experiment allow one to say, and no more.

**The interval** of an experiment's mean is Student's t over its seeds: it covers training again with a new seed, on the
same data, measured on the same test images.

**The test** of an experiment against the baseline compares them image by image. Two things vary that a new study would
draw anew: how training went and which images were in the test split. Testing over images alone takes the training runs
for granted and, with three seeds, calls two equal methods different far too often; testing over seeds alone ignores
that all runs saw the same images. Both are therefore random here, as readers and cases are in the evaluation of
radiologists: the seeds nested in their experiment, the images crossed with all,

    score[e, s, i] = mean[e] + seed[e, s] + image[e, i] + residual[e, s, i]
    variance of the difference of e and b
        = seed_variance[e] / seeds[e] + seed_variance[b] / seeds[b]
        + max(by_image - residual[e] / seeds[e] - residual[b] / seeds[b], 0) / images

with ``seed_variance`` that of a run's mean over the images, ``by_image`` the variance over the images of their
difference (each image's mean over the seeds of e less that over those of b), ``residual`` the residual mean square
of an experiment's table of seeds and images, which both of the former hold already, and Satterthwaite's degrees of
freedom (the bound at zero: Hillis, 2007, https://doi.org/10.1002/sim.2532). With one image this is Welch's t-test over
the seeds; with one seed, the paired t-test over the images.

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
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

LEVEL = 0.05
"""The chance of a false finding that is accepted; intervals cover 1 - LEVEL."""


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


def difference_test(
    ours: np.ndarray, base: np.ndarray, our_variance: SeedVariance | None, base_variance: SeedVariance | None
) -> DifferenceTest:
    """Whether two experiments' means differ, seeds and images both random (see the module).

    Args:
        ours, base: (seeds, images), the same images in both; the seeds need not be the same, nor as many.
        our_variance, base_variance: of the seeds. Where one of the two is ``None``, there being a single run, both
            experiments' runs are taken as they are: the images alone are random.

    Raises:
        ValueError: one run each and one image, which show no variance.
    """
    by_image = ours.mean(axis=0) - base.mean(axis=0)
    images, mean = by_image.size, float(by_image.mean())
    parts: list[tuple[float, float]] = []  # of the variance, with their degrees of freedom
    residuals: list[tuple[float, float]] = []
    if our_variance and base_variance:
        for table, variance in ((ours, our_variance), (base, base_variance)):
            parts.append((variance.value / len(table), variance.degrees))
            if images > 1:
                degrees = (len(table) - 1) * (images - 1)
                residuals.append((_residual_mean_square(table) / (len(table) * images), degrees))
    elif images < 2:
        raise ValueError("one run of each experiment on one image: needs at least two seeds or two images")
    if images > 1:
        image = float(by_image.var(ddof=1)) / images
        if image > sum(value for value, _ in residuals):
            parts += [(image, images - 1), *((-value, degrees) for value, degrees in residuals)]
    total = sum(value for value, _ in parts)
    scale = max(float(np.abs(ours).max()), float(np.abs(base).max()))
    if total <= (1e-12 * scale) ** 2:  # no spread beyond rounding: nothing to divide by
        return DifferenceTest(mean, mean, mean, 1.0 if abs(mean) <= 1e-12 * scale else 0.0)
    degrees = total**2 / sum(value**2 / degrees for value, degrees in parts)
    error = math.sqrt(total)
    margin = float(stats.t.ppf(1 - LEVEL / 2, degrees)) * error
    return DifferenceTest(
        mean, mean - margin, mean + margin, float(2 * stats.t.sf(abs(mean) / error, degrees))
    )


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


def _residual_mean_square(table: np.ndarray) -> float:
    """Of a two-way table, what neither its rows nor its columns explain."""
    residual = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    return float((residual**2).sum()) / ((len(table) - 1) * (table.shape[1] - 1))
