"""The error of an estimate, against SciPy's t and sums written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnnlib.reporting.noise import Noise

SIZES = st.floats(1e-8, 1e8)
PARTS = st.lists(st.tuples(SIZES, st.floats(1, 100)), max_size=3).map(tuple)


@st.composite
def noises(draw: st.DrawFn) -> Noise:
    variances = np.array(draw(st.lists(SIZES, min_size=1, max_size=4)))
    weights = np.array(draw(st.lists(st.floats(0.01, 1), min_size=len(variances), max_size=len(variances))))
    return Noise(variances, weights / weights.sum(), draw(PARTS))


@pytest.mark.parametrize("x", [-3.0, 0.0, 0.5, 4.0])
def test_a_known_variance_is_a_normal_distribution(x: float) -> None:
    assert Noise(np.array([4.0])).beyond(x) == pytest.approx(stats.norm.sf(x / 2))


@pytest.mark.parametrize("degrees", [1, 2, 3.5, 40])
def test_an_estimated_variance_is_students_t(degrees: float) -> None:
    noise = Noise(parts=((4.0, degrees),))
    for x in (-3.0, 0.5, 40.0):
        assert noise.beyond(x) == pytest.approx(stats.t.sf(x / 2, degrees))


@pytest.mark.parametrize(
    ("parts", "degrees"),
    [
        (((1.0, 2.0), (3.0, 6.0)), 16 / (1 / 2 + 9 / 6)),
        (((3.0, 6.0), (2.0, 4.0), (-1.0, 2.0)), 16 / (9 / 6 + 4 / 4 + 1 / 2)),
    ],
    ids=["two", "one negative"],
)
def test_parts_have_satterthwaites_degrees(parts: tuple[tuple[float, float], ...], degrees: float) -> None:
    """All add up to a variance of 4."""
    assert Noise(parts=parts).beyond(3.0) == pytest.approx(stats.t.sf(1.5, degrees))


def test_a_mixture_is_the_weighted_sum_of_ts() -> None:
    variances, weights, part, degrees = [0.5, 2.0, 30.0], [0.7, 0.2, 0.1], 1.5, 4
    noise = Noise(np.array(variances), np.array(weights)).plus([(part, degrees)])
    for x in (0.3, 2.0, 15.0):
        tails = [
            stats.t.sf(x / math.sqrt(value + part), (value + part) ** 2 / (part**2 / degrees))
            for value in variances
        ]
        assert noise.beyond(x) == pytest.approx(sum(np.multiply(weights, tails)))


def test_parts_that_nearly_cancel_leave_one_degree_of_freedom() -> None:
    """Satterthwaite's formula gives 0.0001, whose t distribution has no margin that a number could hold."""
    noise = Noise(parts=((1.0, 2.0), (-0.99, 2.0)))
    assert noise.margin(0.05) == pytest.approx(0.1 * stats.t.isf(0.025, 1))


def test_without_noise_every_difference_is_beyond_chance() -> None:
    assert (Noise().beyond(1e-100), Noise().beyond(0), Noise().beyond(-1e-100)) == (0, 0.5, 1)
    assert Noise().margin(0.05) < 1e-150


@given(noises(), SIZES)
def test_errors_are_symmetric(noise: Noise, x: float) -> None:
    assert noise.beyond(-x) == pytest.approx(1 - noise.beyond(x))


@given(noises(), st.floats(1e-4, 0.5))
def test_a_margin_is_where_beyond_is_half_the_level(noise: Noise, level: float) -> None:
    assert noise.beyond(noise.margin(level)) == pytest.approx(level / 2, rel=1e-6)


@given(noises(), st.floats(1e-8, 1e8), st.floats(1e-4, 0.5))
def test_a_unit_makes_no_difference(noise: Noise, unit: float, level: float) -> None:
    same = Noise(
        noise.variances * unit**2, noise.weights, tuple((value * unit**2, of) for value, of in noise.parts)
    )
    assert same.margin(level) == pytest.approx(unit * noise.margin(level), rel=1e-6)


def test_the_typical_variance_is_the_geometric_mean() -> None:
    noise = Noise(np.array([1.0, 100.0]), np.array([0.5, 0.5]), ((7.0, 3.0),))
    assert noise.typical_variance == pytest.approx(10)
