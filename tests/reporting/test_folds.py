"""Experiments over folds against the formula of Nadeau and Bengio."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from cnnlib.reporting.folds import fold_differences, margin_of_folds
from cnnlib.reporting.leader import interval_of_best
from cnnlib.reporting.summary import summarise


def scores(values: np.ndarray) -> dict[int, np.ndarray]:
    return {seed: np.array([value]) for seed, value in enumerate(values)}


@pytest.mark.parametrize(("runs", "folds"), [(5, 5), (10, 5), (3, 10)])
def test_corrected_resampled_t_test(runs: int, folds: int) -> None:
    rng = np.random.default_rng(runs)
    ours, base = rng.normal(0.8, 0.05, runs), rng.normal(0.7, 0.05, runs)
    found = fold_differences({"base": scores(base), "ours": scores(ours)}, {"ours": "base"}, folds)["ours"]
    apart = ours - base
    t = apart.mean() / math.sqrt((1 / runs + 1 / (folds - 1)) * apart.var(ddof=1))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), runs - 1), rel=1e-6)
    assert found.seeds == runs


def test_the_first_kind_of_error_is_rarer_than_with_the_naive_test() -> None:
    """Scores of folds have a correlation of about ``test / all`` through their shared training images."""
    rng, folds, tries = np.random.default_rng(0), 5, 2000
    common = rng.normal(size=(tries, 1)) * math.sqrt(1 / folds)
    apart = common + rng.normal(size=(tries, folds)) * math.sqrt(1 - 1 / folds)
    zero = scores(np.zeros(folds))
    found = [fold_differences({"base": zero, "a": scores(row)}, {"a": "base"}, folds)["a"].p for row in apart]
    assert np.mean(np.array(found) < 0.05) < 0.07
    assert np.mean(stats.ttest_1samp(apart, 0, axis=1).pvalue < 0.05) > 0.1


def test_folds_that_two_experiments_do_not_share_are_left_out() -> None:
    base, ours = scores(np.array([0.1, 0.2, 0.3])), {1: np.array([0.4]), 2: np.array([0.6])}
    assert fold_differences({"base": base, "a": ours}, {"a": "base"}, 5)["a"].seeds == 2
    assert "two folds" in fold_differences({"base": base, "a": {1: np.array([0.4])}}, {"a": "base"}, 5)["a"]


def test_intervals_of_means_allow_for_the_overlap() -> None:
    results = {"a": {seed: {"mask/iou": 0.5 + 0.1 * seed} for seed in range(5)}}
    (plain,), (folds,) = summarise(results), summarise(results, folds=5)
    assert folds.margin == pytest.approx(plain.margin * 1.5)  # sqrt(1 + 5 / 4)
    assert (folds.mean, folds.std) == (plain.mean, plain.std)
    assert math.isnan(margin_of_folds(np.ones(1), 5, 0.05))


def test_the_leaders_interval_is_of_its_own_folds() -> None:
    values = np.array([[1.0, 1.0, 1.0], [0.2, 0.6, 0.4]])
    assert interval_of_best(values, 0, ratio=False, folds=5) == (1.0, 1.0)
    low, high = interval_of_best(values, 1, ratio=False, folds=5)
    t = stats.t.isf(0.0125, 2)  # Bonferroni, of two
    assert (high - low) / 2 == pytest.approx(t * 0.2 * math.sqrt(1 / 3 + 1 / 4))
