"""What several runs of each experiment allow one to say, and no more.

**The scale.** Shares, of which higher is better, are compared as differences; errors, of which lower is better, as
ratios: a loss that doubles the error is as far off at 0.01 as at 1, and the spread over seeds grows with the error. A
run's score is then the logarithm of its mean over the images.

**The question** is whether a new study would show the same: training again, on images drawn again. Seeds and images are
therefore both random, as readers and cases are in the evaluation of radiologists: the seeds nested in their experiment,
the images crossed with all,

    score[e, s, i] = mean[e] + block[s] + seed[e, s] + image[e, i] + residual[e, s, i]
    variance of the difference of e and b
        = seed_variance[e] / seeds[e] + seed_variance[b] / seeds[b]
        + max(by_image - residual / seeds, 0) / images

with ``seed_variance`` that of a run's mean over the images (see ``cnnlib.reporting.seed_variance``: what runs of one
seed have in common is taken out where there are enough of them, and the variance is not one value but what all
experiments let it be), ``by_image`` the variance over the images of their difference (each image's mean over the seeds
of e less that over those of b), ``residual`` the residual mean square of the tables of seeds and images, which both of
the former hold already, and Satterthwaite's degrees of freedom (the bound at zero: Hillis, 2007,
https://doi.org/10.1002/sim.2532). With two experiments and one image this is Welch's t-test over the seeds, or with ten
seeds the paired t-test; with one seed, the paired t-test over the images.

**The verdicts.** Better or worse: a difference is shown. Equal: a difference of the margin or more is ruled out, by two
one-sided tests. Undecided: neither is shown; the number of further seeds that would probably decide it is then
estimated.

**Many chances of a false finding** are paid for: p-values are Holm's (1979) over the experiments and metrics, which
keeps the chance of any false difference, and of any false "equal", at 5 % each whatever the dependence between tests.
Seeds that are added until all is decided are paid for by ``cnnlib.reporting.looks``.

**The assumptions**: images are independent of each other, and means over them are close to normal (some dozens of
images). Images that are not independent, because they share a background, say, come as one group of the data set; its
mean then counts as one image.

**What simulations show** (``experiments/verdicts`` has the tables). Of suites of 2 to 20 equal experiments, 0.4 to
5.9 % have a false difference with three seeds or more, 0 to 6.6 % with two: with nothing or most of the variance
shared by runs of one seed, with heavy tails, ten images or ten groups, with experiments or a baseline whose runs vary
20 times as much, and with seeds added until all is decided. More have one where they vary 4.5 times as much, which
three seeds cannot show: up to 11 % if it is the baseline. Of suites drawn from 40 seeds of real training, 0.7 to 4.4
%. A difference of two standard deviations over seeds, 40 % of whose variance is shared, is found among 5 experiments
of five seeds in 75 %, among 20 of three seeds in 33 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from cnnlib.reporting.noise import Noise

LEVEL = 0.05
"""The chance of a false finding that is accepted; intervals cover 1 - LEVEL."""
POWER = 0.8
"""The chance of a verdict that a number of seeds is planned for."""
LARGEST_LOGARITHM = 700.0
"""A ratio beyond it is no number any more."""
_MOST_SEEDS = 100  # more are not planned


@dataclass(frozen=True)
class Difference:
    """An experiment's mean less the baseline's.

    Attributes:
        seeds, images: the smaller of the two numbers of runs; what the means are over.
        image_variance: the part of the noise that more seeds do not lessen.
    """

    value: float
    noise: Noise
    seeds: int
    images: int
    image_variance: float = 0.0

    @property
    def p(self) -> float:
        """Of the truth being 0; two-sided."""
        return min(1.0, 2 * self.noise.beyond(abs(self.value)))

    def p_outside(self, margin: float) -> float:
        """Of the truth being as far from 0 as ``margin`` or farther: two one-sided tests (Schuirmann, 1987)."""
        return max(self.noise.beyond(margin - self.value), self.noise.beyond(margin + self.value))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        margin = self.noise.margin(level)
        return self.value - margin, self.value + margin

    def seeds_to_decide(self, margin: float, level: float) -> int | None:
        """How many seeds in all give either finding, at ``level``, with probability ``POWER``.

        It takes the value seen for the truth, so it is a plan and no promise. ``None`` where a hundred would not do.
        """
        whole = self.noise.typical_variance + sum(value for value, _ in self.noise.parts)
        of_seeds = whole - self.image_variance
        different, equal = stats.norm.isf([level / 2, level])
        for seeds in range(self.seeds + 1, _MOST_SEEDS + 1):
            error = np.sqrt(of_seeds * self.seeds / seeds + self.image_variance)
            far, near = different * error, max(margin - equal * error, 0.0)
            shown = stats.norm.cdf([-far, -near, near, far], loc=self.value, scale=error)
            if shown[0] + (shown[2] - shown[1]) + 1 - shown[3] >= POWER:
                return seeds
        return None


def difference(
    ours: np.ndarray, base: np.ndarray, of_seeds: Noise | None, matched: bool = False
) -> Difference:
    """The mean difference of two experiments, seeds and images both random (see the module).

    Args:
        ours, base: (seeds, images), the same images in both; the seeds need not be the same, nor as many.
        of_seeds: the noise that the seeds bring into the difference; ``None`` takes the runs as they are: the images
            alone are random.
        matched: row by row, both are of the same seed, and ``of_seeds`` is without what those have in common.

    Raises:
        ValueError: one image and no noise of seeds, which show no variance.
    """
    by_image = ours.mean(axis=0) - base.mean(axis=0)
    images = by_image.size
    parts: list[tuple[float, float]] = []
    if images > 1:
        parts.append((float(by_image.var(ddof=1)) / images, images - 1))
    elif of_seeds is None:
        raise ValueError("one run of each experiment on one image: needs at least two seeds or two images")
    if of_seeds is not None and parts:
        for table in [ours - base] if matched else [ours, base]:
            degrees = (len(table) - 1) * (images - 1)
            if degrees:
                parts.append((-_residual_mean_square(table) / (len(table) * images), degrees))
        if sum(value for value, _ in parts) <= 0:
            parts = []
    scale = max(float(np.abs(ours).max()), float(np.abs(base).max()))
    rounding = ((1e-12 * scale) ** 2, 1e8)  # no difference is finer
    noise = (of_seeds or Noise()).plus([*parts, rounding])
    return Difference(
        float(by_image.mean()), noise, min(len(ours), len(base)), images, sum(value for value, _ in parts)
    )


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
