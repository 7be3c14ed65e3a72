"""How much training varies with the seed, which each experiment shows a little of and all together show well.

A run's score is taken as ``mean[experiment] + block[seed] + error[experiment, seed]``. The blocks, what the runs of one
seed have in common, are taken out where there are enough runs to estimate them (``enough_for_blocks``): a difference
of two experiments under the same seeds does not contain them.

**Three experiments or more.** With three seeds an experiment's own variance is nearly a guess. What the variances of
all experiments are like is therefore learned from all of them: most are alike, their logarithms normal around a common
value, and a few are odd, up to 20,000 times as large. The common value, the spread and the share of odd ones are
unknown too, each with a prior that is given below. The variance of a difference is then not a number but a
distribution, and a p-value is the mean of those under each of its values. This is the partially Bayes p-value of
Ignatiadis and Sen (2025, "Empirical partially Bayes multiple testing and compound chi-square decisions", Annals of
Statistics 53, https://arxiv.org/abs/2303.02887), with the uncertainty of the prior averaged over as well, for there are
a few experiments here and not thousands. It takes the place of limma's moderated variances (Smyth, 2004; with
``robust=TRUE`` Phipson et al., 2016, https://doi.org/10.1214/16-AOAS920): an odd experiment leaves the prior of the
others alone, its own variance counts with its own degrees of freedom, and neither needs a threshold. An experiment that
is odder still, as any is among constant ones, is tested as if the two that are compared were the only ones.

**Two experiments** have nobody to learn from: their own variances are used, as in Welch's t-test, or the differences of
the runs of equal seeds, as in the paired t-test.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np

from cnnlib.reporting.noise import Noise

_STEP = 0.25
_GRID = np.arange(-9, 14 + _STEP / 2, _STEP)
"""Logarithms of a variance, 0 for the median of those seen. Its lower end is a floor, as limma has one at 1e-5."""
_CENTRES = np.arange(-6, 6 + _STEP / 2, _STEP)
"""Common values of the ordinary experiments, all equally likely."""
_SPREADS = {0.1: 0.6, 0.6: 0.25, 1.2: 0.15}
"""Standard deviation of the logarithms of the ordinary experiments' variances, to its probability."""
_ODD = {0.003: 0.6, 0.1: 0.25, 0.3: 0.15}
"""Share of odd experiments, to its probability."""
_ODD_OF_TWO_SEEDS = {0.2: 0.5, 0.4: 0.5}
"""Two seeds of an odd experiment lie close together often enough to hide it: more such are reckoned with."""
_ODDEST = 10.0
"""An odd variance lies between the common value and e to this power times it, all orders equally likely."""
_BIN = 0.1  # of the logarithm of a sum of two variances
_ENOUGH = 9


def enough_for_blocks(experiments: int, seeds: int) -> bool:
    """Whether taking the seeds as blocks leaves enough to estimate variances from.

    It goes by what was planned, never by results. At least 9 degrees of freedom are left, so that little is lost even
    where runs of one seed have nothing in common.
    """
    return (experiments - 1) * (seeds - 1) >= _ENOUGH


class SeedVariances:
    """The variances of the errors, and the noise in what is estimated from the runs' scores.

    Args:
        scores: (experiments, seeds), NaN where there is no run; columns are seeds.
        blocks: take the runs of one seed as a block.
        smallest: no variance is taken for smaller: that of rounding errors.

    Raises:
        ValueError: no experiment has two runs.
    """

    def __init__(self, scores: np.ndarray, blocks: bool, smallest: float = 0.0) -> None:
        self.runs = np.isfinite(scores).sum(axis=1)
        if self.runs.max(initial=0) < 2:
            raise ValueError("one run of each experiment shows no variance; at least one needs two")
        self.scores = scores
        self.blocks = blocks
        self.smallest = max(smallest, np.finfo(float).tiny)
        odd = _ODD_OF_TWO_SEEDS if np.median(self.runs) <= 2 else _ODD
        self._odd = tuple(odd.items())
        if not blocks or len(scores) <= 2:
            self.values, self.degrees = _own_variances(scores)
            self._learn()
            return
        weights = np.ones(len(scores))
        for _ in range(8):  # each time with better weights
            self.values, self.degrees = _block_variances(scores, weights)
            if not self.degrees.any():  # so many runs are missing that blocks explain all there is
                self.values, self.degrees = _own_variances(scores)
            self._learn()
            typical = self.typical()
            # A calm experiment does not outweigh the others.
            weights = np.minimum(np.median(typical) / typical, 1)

    def of_difference(self, one: int, other: int) -> Noise:
        """In the difference of two experiments' means over their runs; with blocks, over the seeds that both have."""
        if self.blocks:
            shared = np.isfinite(self.scores[one]) & np.isfinite(self.scores[other])
            runs = [int(shared.sum())] * 2
        else:
            runs = [int(self.runs[one]), int(self.runs[other])]
        if len(self.scores) == 2 or self._alone[[one, other]].any():
            return self._of_two(one, other, runs)
        seen = self._likelihood[[one, other]]
        each = self._prior * seen[:, None] / (seen @ self._prior.T)[..., None]  # (2, hyperparameters, grid)
        joint = (each[0] * self._weights[:, None]).T @ each[1]
        bins, values = _bins_of_sum(*runs)
        weights = np.bincount(bins, joint.ravel(), minlength=len(values))
        kept = weights > 1e-10
        return Noise(values[kept] * self._scale, weights[kept] / weights[kept].sum())

    def of_mean(self, one: int) -> Noise:
        """In one experiment's mean over its runs."""
        if (len(self.scores) <= 2 or self._alone[one]) and self.degrees[one] > 0:
            value = max(self.values[one], self.smallest)
            return Noise(parts=((value / self.runs[one], self.degrees[one]),))
        return Noise(np.exp(_GRID) * self._scale / self.runs[one], self._posterior(one))

    def shared(self) -> float:
        """The share of the runs' variance that runs of one seed have in common: what the blocks take out."""
        if len(self.scores) == 2:
            paired = self.scores[0] - self.scores[1]
            paired = paired[np.isfinite(paired)]
            if len(paired) < 2:
                return 0.0
            left, own = np.maximum([paired.var(ddof=1) / 2, self.values.mean()], self.smallest)
            return max(0.0, 1 - float(left / own))
        whole = SeedVariances(self.scores, blocks=False, smallest=self.smallest)
        return max(0.0, 1 - float(np.median(self.typical() / whole.typical())))

    def typical(self) -> np.ndarray:
        """The geometric mean of what each experiment's variance may be."""
        logs = np.array([self._posterior(index) @ _GRID for index in range(len(self.scores))])
        return np.where(self._alone, self.values, np.exp(logs) * self._scale)

    def _of_two(self, one: int, other: int, runs: list[int]) -> Noise:
        if self.blocks:
            paired = self.scores[one] - self.scores[other]
            paired = paired[np.isfinite(paired)]
            if len(paired) > 1:
                return Noise(
                    parts=((max(paired.var(ddof=1), self.smallest) / len(paired), len(paired) - 1.0),)
                )
        known = [index for index in (one, other) if self.degrees[index] > 0]
        if len(known) == 1:  # the only variance there is stands for both
            value = max(self.values[known[0]], self.smallest)
            return Noise(parts=((value * (1 / runs[0] + 1 / runs[1]), self.degrees[known[0]]),))
        return Noise(
            parts=tuple(
                (max(self.values[index], self.smallest) / count, self.degrees[index])
                for index, count in zip((one, other), runs, strict=True)
            )
        )

    def _learn(self) -> None:
        """What each variance may be, given all."""
        known = self.degrees > 0
        self._scale = max(float(np.median(self.values[known])), self.smallest)
        seen = self.values / self._scale
        self._alone = seen > np.exp(_ODDEST)
        seen = np.minimum(seen, np.exp(_ODDEST))
        logs = -0.5 * self.degrees[:, None] * (_GRID + seen[:, None] * np.exp(-_GRID))
        self._likelihood = np.exp(logs - logs.max(axis=1, keepdims=True))  # (experiments, grid)
        prior, weights = _priors(self._odd)
        with np.errstate(divide="ignore"):
            evidence = np.log(weights) + np.log(self._likelihood @ prior.T).sum(axis=0)
        weights = np.exp(evidence - evidence.max())
        kept = weights > 1e-5
        self._prior, self._weights = prior[kept], weights[kept] / weights[kept].sum()

    def _posterior(self, one: int) -> np.ndarray:
        """Over the grid."""
        seen = self._likelihood[one]
        return (self._weights / (self._prior @ seen)) @ self._prior * seen


def _own_variances(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each experiment's runs, and its degrees of freedom; 0 and 0 of a single run."""
    degrees = np.maximum(np.isfinite(scores).sum(axis=1) - 1.0, 0)
    squares = np.nansum((scores - np.nanmean(scores, axis=1, keepdims=True)) ** 2, axis=1)
    return squares / np.maximum(degrees, 1), degrees


def _block_variances(scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of what is left of each experiment's runs without blocks, which are means over the experiments by ``weights``."""
    there = np.isfinite(scores)
    runs = there.sum(axis=1)
    share = np.where(there, weights[:, None], 0)
    share /= share.sum(axis=0)
    left = np.where(there, scores - np.nanmean(scores, axis=1, keepdims=True), 0)
    passes = 1 if there.all() else 20  # with runs missing, means of rows and of columns depend on each other
    for _ in range(passes):
        left = np.where(there, left - (share * left).sum(axis=0), 0)
        left = np.where(there, left - left.sum(axis=1, keepdims=True) / np.maximum(runs, 1)[:, None], 0)
    degrees = ((1 - share) * there).sum(axis=1) * np.maximum(runs - 1, 0) / np.maximum(runs, 1)
    degrees[degrees < 1e-6] = 0  # alone in all its seeds
    return (left**2).sum(axis=1) / np.where(degrees > 0, degrees, np.inf), degrees


@lru_cache(maxsize=4)
def _priors(odd: tuple[tuple[float, float], ...]) -> tuple[np.ndarray, np.ndarray]:
    """A prior over the grid for each value of the hyperparameters (H, grid), and their probabilities (H,)."""
    away = _GRID - _CENTRES[:, None]  # (centres, grid)
    odd_ones = _normalised((away >= 0) & (away <= _ODDEST))
    priors, weights = [], []
    for (spread, likely), (share, also_likely) in product(_SPREADS.items(), odd):
        priors.append((1 - share) * _normalised(np.exp(-0.5 * (away / spread) ** 2)) + share * odd_ones)
        weights.append(np.full(len(_CENTRES), likely * also_likely))
    flat = np.concatenate(weights)
    return np.concatenate(priors), flat / flat.sum()


def _normalised(table: np.ndarray) -> np.ndarray:
    return table / table.sum(axis=1, keepdims=True)


@lru_cache(maxsize=64)
def _bins_of_sum(runs: int, other_runs: int) -> tuple[np.ndarray, np.ndarray]:
    """For two variances on the grid, the bin of their sum, each divided by its number of runs; and the bins' values."""
    sums = np.logaddexp(_GRID[:, None] - np.log(runs), _GRID - np.log(other_runs)).ravel()
    bins = np.rint((sums - sums.min()) / _BIN).astype(int)
    return bins, np.exp(sums.min() + _BIN * np.arange(bins.max() + 1))
