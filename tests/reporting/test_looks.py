"""The price of looking often, against random walks and multivariate normal probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnnlib.reporting.looks import bounds_at, price_of_looking

PLANS = [(range(3, 11), 10), ([2, 3, 5], 8), (range(3, 41), 40)]
"""The numbers of seeds at each look, and that of the last that is planned."""


@pytest.mark.parametrize("looks", [[3, 10], [5, 10], [2, 5, 10]])
@pytest.mark.parametrize("level", [0.05, 0.001])
def test_bounds_are_left_as_often_as_the_level_says(looks: Sequence[int], level: float) -> None:
    """The z-values of all looks are normal; those of k and n seeds have correlation sqrt(k / n)."""
    edges = stats.norm.isf(np.array(bounds_at(level, looks, 10)) / 2)
    for count in range(1, len(looks) + 1):
        seeds = np.array(looks[:count])
        correlation = np.sqrt(np.minimum.outer(seeds, seeds) / np.maximum.outer(seeds, seeds))
        inside = stats.multivariate_normal.cdf(
            edges[:count], cov=correlation, lower_limit=-edges[:count], abseps=1e-7, rng=0
        )
        assert 1 - inside == pytest.approx(level * (looks[count - 1] / 10) ** 3, rel=1e-3)


@pytest.mark.parametrize(("looks", "last"), PLANS)
def test_random_walks_leave_the_bounds_as_often_as_the_level_says(looks: Sequence[int], last: int) -> None:
    level, walks = 0.2, 100_000
    bounds = np.array(bounds_at(level, looks, last))
    steps = np.diff(looks, prepend=0)
    walk = np.cumsum(np.random.default_rng(0).normal(size=(walks, len(steps))) * np.sqrt(steps), axis=1)
    p_values = 2 * stats.norm.sf(np.abs(walk) / np.sqrt(looks))
    has_left = np.maximum.accumulate(p_values < bounds, axis=1).mean(axis=0)
    expected = level * (np.array(looks) / last) ** 3
    assert (np.abs(has_left - expected) < 4 * np.sqrt(expected / walks)).all()


def test_a_first_look_may_spend_its_share_of_the_level() -> None:
    """After 3 seeds of 10, 0.09 of it."""
    assert bounds_at(0.05, [3], 10) == pytest.approx([0.00135])
    assert price_of_looking(0.00135, [3], 10) == pytest.approx(0.05, rel=0.02)


@given(st.floats(0, 1))
def test_a_single_look_costs_nothing(p: float) -> None:
    assert price_of_looking(p, [5], 5) == p


@pytest.mark.parametrize(("looks", "last"), PLANS)
@pytest.mark.parametrize("level", [1e-6, 0.01, 0.05, 0.4])
def test_the_price_of_a_bound_is_its_level(looks: Sequence[int], last: int, level: float) -> None:
    bound = bounds_at(level, looks, last)[-1]
    assert price_of_looking(bound, looks, last) == pytest.approx(level, rel=0.02)


@given(st.sampled_from(PLANS), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_p_value_has_no_lower_price(plan: tuple[range, int], p: float, other: float) -> None:
    low, high = sorted((p, other))
    assert price_of_looking(low, *plan) <= price_of_looking(high, *plan)


@given(st.sampled_from(PLANS), st.floats(0, 1))
def test_looking_is_never_a_gain(plan: tuple[range, int], p: float) -> None:
    assert p <= price_of_looking(p, *plan) * 1.000001 + 1e-9
    assert price_of_looking(p, *plan) <= 1


def test_the_ends() -> None:
    assert price_of_looking(0.0, range(3, 11), 10) == 0
    assert price_of_looking(1.0, range(3, 11), 10) == 1
