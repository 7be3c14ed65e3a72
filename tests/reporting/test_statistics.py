"""Differences of experiments against SciPy, against fractions worked out by hand, and against simulated truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnnlib.reporting.comparison import all_against, differences
from cnnlib.reporting.noise import Noise
from cnnlib.reporting.seed_variance import SeedVariances
from cnnlib.reporting.statistics import Difference, difference, holm


def of_two(ours: np.ndarray, base: np.ndarray, matched: bool = False) -> Difference:
    """Of experiments (seeds, images) that nobody else tells anything of."""
    scores = np.full((2, max(len(ours), len(base))), np.nan)
    scores[0, : len(ours)], scores[1, : len(base)] = ours.mean(axis=1), base.mean(axis=1)
    return difference(ours, base, SeedVariances(scores, matched).of_difference(0, 1), matched)


def normal(value: float, variance: float, seeds: int = 3, image_variance: float = 0.0) -> Difference:
    """Of known noise; the seeds have what the images leave of its variance."""
    noise = Noise(np.array([variance - image_variance]), parts=((image_variance, 1e8),))
    return Difference(value, noise, seeds, 100, image_variance)


# What is random


def test_one_seed_each_is_scipys_paired_t_test_over_images() -> None:
    ours, base = np.random.default_rng(0).normal([[[0.2]], [[0.0]]], 1, (2, 1, 40))
    oracle = stats.ttest_rel(ours[0], base[0])
    found = difference(ours, base, None)
    assert found.p == pytest.approx(oracle.pvalue)
    assert found.interval() == pytest.approx(tuple(oracle.confidence_interval(0.95)))
    assert (found.seeds, found.images) == (1, 40)


@pytest.mark.parametrize("seeds", [(5, 5), (2, 4), (6, 3)])
def test_one_image_is_scipys_welch_test_over_seeds(seeds: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    ours, base = random.normal(0.5, 1, (seeds[0], 1)), random.normal(0, 3, (seeds[1], 1))
    oracle = stats.ttest_ind(ours[:, 0], base[:, 0], equal_var=False)
    found = of_two(ours, base)
    assert found.p == pytest.approx(oracle.pvalue)
    assert found.interval() == pytest.approx(tuple(oracle.confidence_interval(0.95)))
    assert (found.seeds, found.images) == (min(seeds), 1)


def test_one_image_under_the_same_seeds_is_scipys_paired_test_over_seeds() -> None:
    ours, base = np.random.default_rng(0).normal(size=(2, 10, 1))
    assert of_two(ours, base, matched=True).p == pytest.approx(stats.ttest_rel(ours[:, 0], base[:, 0]).pvalue)


def test_images_that_agree_leave_the_seeds_alone_to_judge() -> None:
    """Where the images' differences vary less than chance, the test is Welch's over the runs' means."""
    means = np.array([[0.1, 0.5, 0.2, 0.4], [0.0, 0.3, 0.1, 0.1]])
    checks = np.array([[1, -1], [-1, 1], [1, -1], [-1, 1]]) * 0.1
    found = of_two(*(one[:, None] + checks for one in means))
    assert found.p == pytest.approx(stats.ttest_ind(*means, equal_var=False).pvalue)
    assert found.image_variance == 0


def test_the_variance_is_that_of_the_textbook() -> None:
    """Two runs each on three images, worked out by hand."""
    ours = np.array([[1.0, 4.0, 7.0], [4.0, 5.0, 9.0]])  # runs' means 4 and 6; residual mean square 1/2
    base = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 2.0]])  # runs' means 1 and 1; residual mean square 1/2
    seeds = Fraction(2, 2)
    images = Fraction(4, 3)  # the images' differences are 2, 4, 6
    residual = Fraction(1, 2) / (2 * 3)
    variance = seeds + images - 2 * residual
    degrees = variance**2 / (seeds**2 / 1 + images**2 / 2 + 2 * residual**2 / 2)
    found = of_two(ours, base)
    assert found.value == 4
    assert found.image_variance == pytest.approx(float(images - 2 * residual))
    assert found.p == pytest.approx(2 * stats.t.sf(4 / math.sqrt(variance), float(degrees)))


def test_the_variance_under_the_same_seeds_is_that_of_the_textbook() -> None:
    """What the runs of one seed have in common is in neither the seeds' variance nor the residual's."""
    ours = np.array([[1.0, 4.0, 7.0], [4.0, 5.0, 9.0]])
    base = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 5.0]])  # differences 1, 3, 5 and 3, 5, 4
    seeds = Fraction(1, 2) / 2  # of 3 and 4
    images = Fraction(7, 4) / 3  # of 2, 4, 9/2
    residual = Fraction(3, 2) / (2 * 3)
    variance = seeds + images - residual
    degrees = variance**2 / (seeds**2 / 1 + images**2 / 2 + residual**2 / 2)
    found = of_two(ours, base, matched=True)
    assert found.value == 3.5
    assert found.p == pytest.approx(2 * stats.t.sf(3.5 / math.sqrt(variance), float(degrees)))


def test_a_single_run_has_no_residual_to_take_out() -> None:
    """Its experiment's part of the images' variance stays as it is, which is too much and never too little."""
    random = np.random.default_rng(0)
    ours, base = random.normal(size=(1, 30)), random.normal(size=(4, 30))
    seeds = base.mean(axis=1).var(ddof=1) * (1 + 1 / 4)
    by_image = (ours[0] - base.mean(axis=0)).var(ddof=1) / 30
    residual = base - base.mean(axis=0) - base.mean(axis=1, keepdims=True) + base.mean()
    of_base = (residual**2).sum() / (3 * 29) / (4 * 30)
    found = of_two(ours, base)
    assert found.image_variance == pytest.approx(by_image - of_base)
    assert found.noise.parts[0] == pytest.approx((seeds, 3))


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.3, 0.0)])
def test_differences_that_do_not_vary(seeds: int, value: float, p: float) -> None:
    base = np.tile(np.linspace(0, 1, 10), (seeds, 1))
    found = difference(base + value, base, None) if seeds == 1 else of_two(base + value, base)
    assert found.p == p
    assert found.interval() == pytest.approx((value, value), abs=1e-9)


def test_a_single_difference_says_nothing() -> None:
    with pytest.raises(ValueError, match="at least two seeds or two images"):
        difference(np.ones((1, 1)), np.zeros((1, 1)), None)


# Findings


@pytest.mark.parametrize("value", [-0.3, 0.0, 0.08])
@pytest.mark.parametrize("degrees", [2, 30])
def test_equality_is_two_one_sided_t_tests(value: float, degrees: int) -> None:
    found = Difference(value, Noise(parts=((0.04, degrees),)), 3, 1)
    above = stats.t.cdf((value - 0.1) / 0.2, degrees)  # the truth is 0.1 or more
    below = stats.t.sf((value + 0.1) / 0.2, degrees)  # the truth is -0.1 or less
    assert found.p_outside(0.1) == pytest.approx(max(above, below))


@given(st.floats(-5, 5), st.floats(0.01, 2), st.integers(1, 40), st.floats(0.001, 0.4))
def test_findings_are_where_the_interval_ends(
    value: float, margin: float, degrees: int, level: float
) -> None:
    """Different: the interval is without 0. Equal: that of twice the level is within the margin (Schuirmann)."""
    found = Difference(value, Noise(parts=((1.0, degrees),)), 3, 1)
    low, high = found.interval(level)
    assert (found.p < level) == (low > 0 or high < 0)
    low, high = found.interval(2 * level)
    assert (found.p_outside(margin) < level) == (-margin < low and high < margin)


def test_equal_within_nothing_is_never_shown() -> None:
    assert normal(0.0, 0.01).p_outside(0.0) == 0.5


# How many more seeds


@pytest.mark.parametrize(
    ("value", "margin", "level", "of_seed", "image_variance"),
    [
        (1.0, 0.1, 0.05, 1.5, 0.0),
        (-0.8, 0.1, 0.05, 0.3, 0.04),
        (0.8, 0.1, 0.01, 1.5, 0.02),
        (0.0, 0.7, 0.05, 1.5, 0.0),
        (0.2, 0.9, 0.05, 1.5, 0.03),
        (0.6, 0.9, 0.05, 1.5, 0.0),
    ],
)
def test_planned_seeds_decide_four_times_in_five(
    value: float, margin: float, level: float, of_seed: float, image_variance: float
) -> None:
    """Studies with as many seeds, drawn at random."""
    found = normal(value, of_seed / 2 + image_variance, seeds=2, image_variance=image_variance)
    planned = found.seeds_to_decide(margin, level)

    def power(seeds: int) -> float:
        error = math.sqrt(of_seed / seeds + image_variance)
        means = np.random.default_rng(0).normal(value, error, 40_000)
        different = 2 * stats.norm.sf(np.abs(means) / error) < level
        equal = stats.norm.sf((margin - np.abs(means)) / error) < level
        return float((different | equal).mean())

    assert power(planned) > 0.79
    assert power(planned - 1) < 0.81
    assert power(planned // 2) < 0.75


def test_planned_seeds_are_those_of_the_textbook() -> None:
    """(1.96 + 0.84)^2 variances of a difference of one seed each, over the squared effect: 7.85."""
    assert normal(1.0, 1 / 3).seeds_to_decide(0.0, 0.05) == 8


def test_one_seed_more_is_the_least() -> None:
    assert normal(9.0, 0.1, seeds=7).seeds_to_decide(0.1, 0.05) == 8


@pytest.mark.parametrize(
    "found",
    [
        normal(0.1, 10.0),
        normal(0.1, 0.1, image_variance=0.0999),
        normal(0.2, 1.0),
    ],
    ids=["too much noise", "too few images", "as large as the margin"],
)
def test_nothing_is_planned_that_a_hundred_seeds_would_not_decide(found: Difference) -> None:
    assert found.seeds_to_decide(0.2, 0.05) is None


# Many tests


def test_holm_as_worked_out_by_hand() -> None:
    """0.01 x 4, 0.03 x 3 = 0.09, 0.04 x 2 = 0.08 (raised to 0.09), 0.005 x 5, 0.5 x 1."""
    assert holm([0.01, 0.04, 0.03, 0.005, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.5])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_none_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1.0, len(p_values) * p)
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


# Simulated suites: experiments/verdicts has many more


def simulate(
    effects: Sequence[float],
    seed_stds: Sequence[float],
    seeds: int,
    random: np.random.Generator,
    shared: float = 0.0,
    images: int = 60,
) -> np.ndarray:
    """(experiments, seeds, images), with images that are hard for all, and a skew in what is hard for one.

    Args:
        shared: share of the seeds' variance that runs of one seed have in common.
    """
    count = len(effects)
    own = random.exponential(size=(count, 1, images)) - 1
    luck = np.sqrt(1 - shared) * random.normal(size=(count, seeds, 1))
    luck += np.sqrt(shared) * random.normal(size=(seeds, 1))
    of_seed = np.array(seed_stds)[:, None, None] * luck
    noise = random.normal(size=(count, seeds, images))
    return np.array(effects)[:, None, None] + of_seed + random.normal(size=images) + 0.4 * own + 0.7 * noise


def found_in(table: np.ndarray) -> dict[str, Difference]:
    """Of every experiment but the first, to it."""
    scores = {str(index): dict(enumerate(of_seeds)) for index, of_seeds in enumerate(table)}
    found, _ = differences(scores, all_against("0", scores), planned=len(scores["0"]))
    return found


def p_values_of(table: np.ndarray) -> np.ndarray:
    return np.array(holm([one.p for one in found_in(table).values()]))


@pytest.mark.parametrize(
    ("stds", "seeds", "shared"),
    [
        ([0.3] * 2, 3, 0.0),
        ([0.3] * 2, 10, 0.4),
        ([0.3] * 5, 3, 0.0),
        ([0.3] * 8, 3, 0.4),
        ([0.05, 0.2, 0.3, 0.4, 0.5], 3, 0.0),
        ([6.0] + [0.3] * 5, 3, 0.0),
        ([0.05] * 9 + [3.0], 3, 0.0),
        ([1e-9] * 4 + [0.3] * 3, 3, 0.0),
    ],
    ids=["two", "two in blocks", "five", "blocks", "unlike", "odd baseline", "one odd", "most constant"],
)
def test_equal_experiments_are_rarely_called_different(
    stds: Sequence[float], seeds: int, shared: float
) -> None:
    """In 5 % of suites at most; the bound is 4 standard errors of a hundred above."""
    random = np.random.default_rng(1)
    false = [
        (p_values_of(simulate([0] * len(stds), stds, seeds, random, shared)) < 0.05).any() for _ in range(100)
    ]
    assert np.mean(false) < 0.14


def test_a_test_over_images_alone_would_overstate() -> None:
    """Why the seeds are random too: Wilcoxon over images calls equal methods different most of the time."""
    random = np.random.default_rng(2)
    pairs = [simulate([0, 0], [0.4, 0.4], 3, random) for _ in range(100)]
    over_images = [stats.wilcoxon(ours.mean(axis=0) - base.mean(axis=0)).pvalue for base, ours in pairs]
    assert np.mean(np.array(over_images) < 0.05) > 0.4
    assert np.mean([p_values_of(pair)[0] < 0.05 for pair in pairs]) < 0.14


def test_real_differences_are_found_and_more_of_them_beside_others() -> None:
    """All experiments together estimate the seed variance; Welch's three seeds alone would find far fewer."""
    random = np.random.default_rng(4)
    found, alone = [], []
    for _ in range(40):
        table = simulate([0.0] * 6 + [0.8] * 6, [0.15] * 12, 3, random)
        found += list(p_values_of(table)[5:] < 0.05)
        alone += [of_two(ours, table[0]).p < 0.05 / 11 for ours in table[6:]]
    assert np.mean(found) > 0.8
    assert np.mean(found) > np.mean(alone) + 0.1


def test_equal_experiments_are_shown_to_be_equal_and_different_ones_are_not() -> None:
    random = np.random.default_rng(5)
    equal, wrong = [], []
    for _ in range(40):
        found = list(found_in(simulate([0.0] * 5 + [0.5], [0.1] * 6, 5, random)).values())
        equal += [one.p_outside(0.5) < 0.05 for one in found[:-1]]
        wrong.append(found[-1].p_outside(0.5) < 0.05)
    assert np.mean(equal) > 0.8
    assert np.mean(wrong) < 0.2


@pytest.mark.parametrize("count", [2, 8])
def test_the_interval_covers_the_truth(count: int) -> None:
    random = np.random.default_rng(6)
    covered = []
    for _ in range(100):
        table = simulate([0] + [0.3] * (count - 1), [0.2] * count, 3, random)
        low, high = found_in(table)["1"].interval()
        covered.append(low <= 0.3 <= high)
    assert np.mean(covered) > 0.88


@pytest.mark.parametrize("experiments", [2, 60])
@pytest.mark.parametrize("seeds", [2, 40])
@pytest.mark.parametrize("size", [1e-8, 1e8])
def test_numbers_survive(experiments: int, seeds: int, size: float) -> None:
    table = size * (100 + np.random.default_rng(0).normal(size=(experiments, seeds, 20)))
    table[1] = size
    table[-1, :, 1:] = table[-1, :, :1]
    for found in found_in(table).values():
        low, high = found.interval()
        assert low < found.value < high
        assert 0 <= found.p <= 1
        assert 0 <= found.p_outside(size) < 1.000001
        assert found.seeds_to_decide(size, 0.05) is None or found.seeds_to_decide(size, 0.05) > seeds
