"""The best experiment's interval, against SciPy's and against simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnnlib.reporting.leader import Leader, find_leader, interval_of_best
from tests.reporting.made_suite import suite_of

SHARES, ERRORS = "mask/iou", "depth/mae"


def runs(*values: float) -> np.ndarray:
    """(seeds, one image)."""
    return np.array(values)[:, None]


def find(metric: str, **tables: np.ndarray) -> Leader | None:
    return find_leader(suite_of({metric: tables}), metric)


def test_the_best_has_the_highest_share_or_the_lowest_error() -> None:
    tables = {"a": runs(0.5, 0.6), "b": runs(0.8, 0.9, 0.7), "c": runs(0.2, 0.1)}
    best = find(SHARES, **tables)
    assert (best.experiment, best.seeds, best.of) == ("b", 3, 3)
    assert best.mean == pytest.approx(0.8)
    assert best.low < 0.8 < best.high
    best = find(ERRORS, **tables)
    assert (best.experiment, best.mean) == ("c", pytest.approx(0.15))


def test_a_single_experiment_has_scipys_t_interval() -> None:
    values = [0.91, 0.94, 0.93, 0.97]
    best, oracle = find(SHARES, a=runs(*values)), stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (best.low, best.high) == pytest.approx((oracle.low, oracle.high))


def test_two_experiments_share_the_level() -> None:
    values = np.array([[0.91, 0.94, 0.93, 0.97], [0.5, 0.9, 0.2, 0.4]])
    oracle = stats.ttest_1samp(values[0], 0).confidence_interval(0.975)
    assert interval_of_best(values, 0, ratio=False) == pytest.approx((oracle.low, oracle.high))


def test_the_interval_of_an_error_is_a_factor() -> None:
    """That of its logarithms, around the arithmetic mean."""
    values = np.array([[0.2, 0.3, 0.25]])
    margin = stats.t.isf(0.025, 2) * stats.sem(np.log(values[0]))
    expected = (0.25 * math.exp(-margin), 0.25 * math.exp(margin))
    assert interval_of_best(values, 0, ratio=True) == pytest.approx(expected)


@given(st.floats(-8, 8))
def test_a_unit_makes_no_difference(power: float) -> None:
    values, unit = np.random.default_rng(0).uniform(0.2, 0.4, (4, 3)), 10**power
    low, high = interval_of_best(values, 2, ratio=True)
    assert interval_of_best(unit * values, 2, ratio=True) == pytest.approx((unit * low, unit * high))


def test_an_error_of_zero_is_on_no_ratio_scale() -> None:
    values = np.array([[0.0, 0.0, 0.0], [0.2, 0.3, 0.25]])
    low, high = interval_of_best(values, 0, ratio=True)
    assert low <= 0 <= high
    assert math.isfinite(high)


@pytest.mark.parametrize(
    ("experiments", "seeds", "ratio"), [(20, 3, False), (20, 3, True), (2, 2, False), (5, 5, True)]
)
def test_the_interval_covers_the_truth_though_the_luckiest_was_chosen(
    experiments: int, seeds: int, ratio: bool
) -> None:
    """All experiments are equal: the best one's truth is everyone's, and its interval alone would miss it often."""
    random = np.random.default_rng(0)
    covered, alone = [], []
    truth = 1.0 if ratio else 0.0
    for _ in range(100):
        values = 0.05 * random.normal(size=(experiments, seeds))
        values = np.exp(values) if ratio else values
        best = int(values.mean(axis=1).argmin())
        low, high = interval_of_best(values, best, ratio)
        covered.append(low <= truth <= high)
        low, high = interval_of_best(values[[best]], 0, ratio)
        alone.append(low <= truth <= high)
    assert np.mean(covered) >= 0.95
    if experiments == 20:
        assert np.mean(alone) < 0.9


def test_single_runs_have_no_interval() -> None:
    best = find(SHARES, a=runs(0.5), b=runs(0.7))
    assert (best.experiment, best.mean, best.seeds) == ("b", 0.7, 1)
    assert math.isnan(best.low)
    assert math.isnan(best.high)


def test_a_single_run_among_others_has_the_interval_that_they_show() -> None:
    margins = []
    for spread in (1, 10):
        values = spread * np.random.default_rng(0).normal(size=(20, 5))
        values[0] = [3.0, *[np.nan] * 4]
        low, high = interval_of_best(values, 0, ratio=False)
        assert low + high == pytest.approx(6)
        margins.append(high - 3)
    assert margins[0] > stats.norm.isf(0.025 / 20)  # it may be an odd one
    assert margins[1] == pytest.approx(10 * margins[0])


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_what_is_undefined_is_no_leader() -> None:
    nothing = runs(math.nan, math.nan)
    assert find(SHARES, a=nothing, b=nothing) is None
    best = find(SHARES, a=nothing, b=runs(0.1, math.nan, 0.3), c=runs(0.1, 0.15))
    assert (best.experiment, best.seeds, best.of) == ("b", 2, 2)
    assert best.mean == pytest.approx(0.2)


def test_numbers_survive_an_error_out_of_all_proportion() -> None:
    values = np.full((60, 2), 1.0) + 1e-6 * np.random.default_rng(0).normal(size=(60, 2))
    values[0] = [1e-8, 0.5]
    low, high = interval_of_best(values, 0, ratio=True)
    assert 0 <= low < 0.25 < high < math.inf
