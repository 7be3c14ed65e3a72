"""What runs show of the noise of seeds, against SciPy's t-tests and against the model drawn from at random."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from cnnlib.reporting.noise import Noise
from cnnlib.reporting.seed_variance import SeedVariances, enough_for_blocks

LEVEL = 0.05


def runs(experiments: int, seeds: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([experiments, seeds, seed]).normal(size=(experiments, seeds))


def p_value(noise: Noise, difference: float) -> float:
    return 2 * noise.beyond(abs(difference))


def half_width(test: object) -> float:
    interval = test.confidence_interval(1 - LEVEL)
    return (interval.high - interval.low) / 2


# Two experiments


@pytest.mark.parametrize("seeds", [(3, 3), (2, 5), (10, 10)])
def test_two_experiments_are_scipys_welch_test(seeds: tuple[int, int]) -> None:
    one, other = runs(1, seeds[0])[0], 3 * runs(1, seeds[1], 1)[0]
    scores = np.full((2, max(seeds)), np.nan)
    scores[0, : seeds[0]], scores[1, : seeds[1]] = one, other
    oracle = stats.ttest_ind(one, other, equal_var=False)
    found = SeedVariances(scores, blocks=False).of_difference(0, 1)
    assert p_value(found, one.mean() - other.mean()) == pytest.approx(oracle.pvalue)
    assert found.margin(LEVEL) == pytest.approx(half_width(oracle))


def test_two_experiments_under_the_same_seeds_are_scipys_paired_test() -> None:
    scores = runs(2, 10)
    oracle = stats.ttest_rel(*scores)
    found = SeedVariances(scores, blocks=True).of_difference(0, 1)
    assert p_value(found, np.subtract(*scores).mean()) == pytest.approx(oracle.pvalue)
    missing = np.hstack([scores, [[7.0, np.nan], [np.nan, 7.0]]])  # a run without a partner
    assert SeedVariances(missing, blocks=True).of_difference(0, 1).margin(LEVEL) == pytest.approx(
        half_width(oracle)
    )


def test_of_two_experiments_one_run_is_taken_to_vary_as_the_other() -> None:
    scores = np.array([[1.0, 2.0, 4.0], [9.0, np.nan, np.nan]])
    found = SeedVariances(scores, blocks=False).of_difference(0, 1)
    error = np.sqrt(scores[0].var(ddof=1) * (1 / 3 + 1))
    assert found.beyond(2.0) == pytest.approx(stats.t.sf(2.0 / error, 2))


# Three and more


def drawn_from_the_model(
    scores: np.ndarray, one: int, other: int, errors: Sequence[float]
) -> tuple[list[float], list[float]]:
    """The chances of larger errors in a difference, and in the first one's mean, by importance sampling."""
    random, draws = np.random.default_rng(0), 500_000
    count = np.isfinite(scores).sum(axis=1)
    squares = [np.sum((row - row.mean()) ** 2) for row in (row[np.isfinite(row)] for row in scores)]
    unit = np.median([square / (n - 1) for square, n in zip(squares, count, strict=True) if n > 1])
    common = random.uniform(-6, 6, draws)
    spread = random.choice([0.1, 0.6, 1.2], draws, p=[0.6, 0.25, 0.15])
    share_odd = random.choice([0.003, 0.1, 0.3], draws, p=[0.6, 0.25, 0.15])
    variances, weights = [], np.ones(draws)
    for square, n in zip(squares, count, strict=True):
        odd = random.random(draws) < share_odd
        log = np.where(odd, random.uniform(common, common + 10), random.normal(common, spread))
        variances.append(unit * np.exp(log))
        if n > 1:
            weights *= stats.chi2.pdf(square / variances[-1], n - 1) / variances[-1]
    weights /= weights.sum()
    of_mean = variances[one] / count[one]
    of_difference = of_mean + variances[other] / count[other]
    difference, mean = (
        [float(weights @ stats.norm.sf(x / np.sqrt(variance))) for x in errors]
        for variance in (of_difference, of_mean)
    )
    return difference, mean


@pytest.mark.parametrize("kind", ["alike", "one odd", "runs missing"])
def test_the_noise_is_that_of_the_model(kind: str) -> None:
    scores = runs(4, 4)
    if kind == "one odd":
        scores[3] *= 6
    elif kind == "runs missing":
        scores[0, 1:], scores[3, 2:] = np.nan, np.nan
    found = SeedVariances(scores, blocks=False)
    errors = np.array([0.5, 1.5, 3.0]) * (3 if kind == "one odd" else 1)
    difference, mean = drawn_from_the_model(scores, 0, 3, errors)
    assert list(map(found.of_difference(0, 3).beyond, errors)) == pytest.approx(difference, rel=0.06)
    assert list(map(found.of_mean(0).beyond, errors)) == pytest.approx(mean, rel=0.1, abs=1e-5)


def test_many_experiments_alike_are_the_test_of_the_pooled_variance() -> None:
    margins = []
    for seed in range(5):
        scores = runs(40, 5, seed)
        error = np.sqrt(2 / 5 * scores.var(axis=1, ddof=1).mean())
        margin = SeedVariances(scores, blocks=False).of_difference(0, 1).margin(LEVEL)
        margins.append(margin / (error * stats.t.isf(LEVEL / 2, 40 * 4)))
    assert np.median(margins) == pytest.approx(1, abs=0.03)
    assert max(margins) < 1.2
    assert min(margins) > 0.9


def margins_of(scores: np.ndarray, odd: np.ndarray) -> tuple[float, float, float]:
    """Of two ordinary experiments beside an odd one over without it; of the odd one over Welch's; of the odd one."""
    beside = SeedVariances(np.vstack([scores, odd]), blocks=False)
    alone = SeedVariances(scores, blocks=False).of_difference(0, 1).margin(LEVEL)
    of_odd = beside.of_difference(0, len(scores)).margin(LEVEL)
    welch = half_width(stats.ttest_ind(scores[0], odd, equal_var=False))
    return beside.of_difference(0, 1).margin(LEVEL) / alone, of_odd / welch, of_odd


@pytest.mark.parametrize("times", [20, 1e3, 1e5])
def test_an_odd_experiment_is_judged_by_its_own_runs_and_leaves_the_others_alone(times: float) -> None:
    ratios = [margins_of(runs(19, 5, seed), times * runs(1, 5, seed)[0]) for seed in range(7)]
    others, own, _ = np.median(ratios, axis=0)
    assert others == pytest.approx(1, abs=0.03)
    assert own == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("times", [0, 1e-20, 1e-3])
def test_a_calm_experiment_makes_no_other_calm(times: float) -> None:
    ratios = [margins_of(runs(19, 5, seed), times * runs(1, 5, seed)[0])[0] for seed in range(7)]
    assert ratios == pytest.approx([1] * 7, abs=0.2)


@pytest.mark.parametrize("times", [0, 1e-12, 1e-4])
def test_among_constant_experiments_those_that_vary_are_judged_by_their_own_runs(times: float) -> None:
    """As where most losses collapse to the same prediction."""
    scores = 0.5 + 0.05 * runs(7, 3)
    scores[:5] = 0.5 + times * runs(5, 3)
    found = SeedVariances(scores, blocks=False, smallest=1e-24)
    assert found.of_difference(5, 6).margin(LEVEL) == pytest.approx(
        half_width(stats.ttest_ind(scores[5], scores[6], equal_var=False))
    )
    own = stats.ttest_1samp(scores[5], 0)
    assert found.of_mean(5).margin(LEVEL) == pytest.approx(half_width(own))


def test_a_single_run_is_given_what_the_others_show() -> None:
    scores = runs(20, 5)
    scores[0, 1:] = np.nan
    found = SeedVariances(scores, blocks=False)
    assert found.typical()[0] == pytest.approx(np.median(found.typical()[1:]), rel=0.2)
    error = np.sqrt(1 + 1 / 5)
    assert found.of_difference(0, 1).margin(0.2) == pytest.approx(stats.norm.isf(0.1) * error, rel=0.2)


def test_more_runs_make_less_noise() -> None:
    margins = [
        SeedVariances(runs(10, seeds), blocks=False).of_difference(0, 1).margin(LEVEL)
        for seeds in (2, 3, 5, 10, 40)
    ]
    assert all(more < fewer for fewer, more in itertools.pairwise(margins))


# Blocks


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(("experiments", "seeds"), [(4, 4), (20, 2), (3, 10)])
def test_what_runs_of_one_seed_have_in_common_is_taken_out(
    experiments: int, seeds: int, missing: bool
) -> None:
    """What is added to all runs of a seed makes no difference."""

    @settings(max_examples=8)
    @given(arrays(float, seeds, elements=st.floats(-100, 100)))
    def check(common: np.ndarray) -> None:
        scores = runs(experiments, seeds)
        scores[0] *= 10
        if missing:
            scores[2, 0] = np.nan
        before, after = (SeedVariances(table, blocks=True) for table in (scores, scores + common))
        np.testing.assert_allclose(after.typical(), before.typical(), rtol=1e-6)
        for pair in ((0, 1), (1, 2)):
            margins = [one.of_difference(*pair).margin(LEVEL) for one in (before, after)]
            assert margins[1] == pytest.approx(margins[0], rel=1e-6)

    check()


def test_many_experiments_in_blocks_are_the_test_of_a_two_way_table() -> None:
    scores = runs(40, 10) + 5 * runs(1, 10, 1)
    residual = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    error = np.sqrt(2 / 10 * (residual**2).sum() / (39 * 9))
    found = SeedVariances(scores, blocks=True).of_difference(0, 1)
    assert found.margin(LEVEL) == pytest.approx(error * stats.t.isf(LEVEL / 2, 39 * 9), rel=0.06)


@pytest.mark.parametrize("times", [1e-3, 20, 1e5])
def test_an_odd_experiment_in_blocks_leaves_the_others_alone(times: float) -> None:
    """It has next to no weight in the blocks' means where it is wild, and no more than others where it is calm."""
    ratios = []
    for seed in range(7):
        scores = runs(8, 5, seed)
        with_odd = np.vstack([scores, times * runs(1, 5, seed)]) + 5 * runs(1, 5, seed + 100)
        margins = [
            SeedVariances(table, True).of_difference(0, 1).margin(LEVEL) for table in (with_odd, scores)
        ]
        ratios.append(margins[0] / margins[1])
    assert np.median(ratios) == pytest.approx(1, abs=0.08)
    assert max(ratios) < 1.3


def test_blocks_bear_missing_runs() -> None:
    """A fifth of the runs is missing at random, and the variance stays what it is."""
    scores = runs(20, 10) + 5 * runs(1, 10, 1)
    scores[np.random.default_rng(0).random(scores.shape) < 0.2] = np.nan
    assert np.median(SeedVariances(scores, blocks=True).typical()) == pytest.approx(1, abs=0.15)


def test_in_blocks_only_the_seeds_that_both_have_count() -> None:
    scores = runs(20, 10) + 5 * runs(1, 10, 1)
    scores[0, :5], scores[1, 7:] = np.nan, np.nan
    noise = SeedVariances(scores, blocks=True).of_difference(0, 1)
    assert noise.typical_variance == pytest.approx(2 / 2, rel=0.2)


@pytest.mark.parametrize("experiments", [2, 5, 20])
@pytest.mark.parametrize("share", [0.0, 0.8])
def test_the_share_that_seeds_have_in_common(experiments: int, share: float) -> None:
    scores = np.sqrt(1 - share) * runs(experiments, 40) + np.sqrt(share) * runs(1, 40, 1)
    assert SeedVariances(scores, blocks=True).shared() == pytest.approx(share, abs=0.15)


@pytest.mark.parametrize("experiments", [2, 3])
def test_runs_that_do_not_vary_have_nothing_in_common(experiments: int) -> None:
    assert SeedVariances(np.ones((experiments, 10)), blocks=True).shared() == 0


@pytest.mark.parametrize(
    ("experiments", "seeds", "enough"), [(2, 10, True), (2, 9, False), (4, 4, True), (3, 5, False)]
)
def test_nine_degrees_of_freedom_are_enough_for_blocks(experiments: int, seeds: int, enough: bool) -> None:
    assert enough_for_blocks(experiments, seeds) is enough


# Any scores


@given(st.integers(0, 100), st.floats(-8, 8), st.booleans())
@settings(max_examples=20)
def test_a_unit_makes_no_difference(seed: int, power: float, blocks: bool) -> None:
    scores, unit = runs(5, 4, seed), 10**power
    before, after = (SeedVariances(table, blocks) for table in (scores, unit * scores))
    np.testing.assert_allclose(after.typical(), unit**2 * before.typical(), rtol=1e-8)
    assert after.of_difference(0, 1).beyond(unit) == pytest.approx(before.of_difference(0, 1).beyond(1.0))


@given(st.permutations(range(5)), st.booleans())
@settings(max_examples=20)
def test_the_order_of_experiments_makes_no_difference(order: list[int], blocks: bool) -> None:
    scores = runs(5, 4)
    one, other = (SeedVariances(table, blocks) for table in (scores, scores[order]))
    pair = order.index(0), order.index(1)
    assert other.of_difference(*pair).beyond(1.0) == pytest.approx(one.of_difference(1, 0).beyond(1.0))
    assert other.of_mean(pair[0]).beyond(1.0) == pytest.approx(one.of_mean(0).beyond(1.0))


@pytest.mark.parametrize("experiments", [1, 2, 3, 60])
@pytest.mark.parametrize("seeds", [2, 40])
@pytest.mark.parametrize("kind", ["normal", "equal", "one equal", "one varies", "zero"])
@pytest.mark.parametrize("size", [1e-8, 1e8])
def test_numbers_survive(experiments: int, seeds: int, kind: str, size: float) -> None:
    scores = size * (100 + runs(experiments, seeds))
    if kind == "equal":
        scores[:] = size
    elif kind == "one equal":
        scores[-1] = size
    elif kind == "one varies":
        scores[:-1] = size
    elif kind == "zero":
        scores[:] = 0
    for blocks in {False, experiments > 1}:
        found = SeedVariances(scores, blocks, smallest=(1e-10 * size) ** 2)
        assert np.isfinite(found.typical()).all()
        noises = [found.of_mean(0)]
        if blocks:
            assert 0 <= found.shared() <= 1
            noises.append(found.of_difference(0, experiments - 1))
        for noise in noises:
            assert 0 < noise.margin(LEVEL) < 1e4 * size
            assert 0 <= noise.beyond(size) <= 0.5


@settings(max_examples=15)
@given(
    arrays(float, st.tuples(st.integers(2, 6), st.integers(2, 5)), elements=st.floats(-100, 100)),
    st.data(),
    st.booleans(),
)
def test_any_runs_may_be_missing(scores: np.ndarray, data: st.DataObject, blocks: bool) -> None:
    there = data.draw(arrays(bool, scores.shape))
    assume(there.any(axis=1).all() and (there.sum(axis=0) > 1).any() and there.sum(axis=1).max() > 1)
    scores[~there] = np.nan
    scores = scores[:, there.any(axis=0)]
    found = SeedVariances(scores, blocks, smallest=1e-20)
    for one, other in itertools.combinations(range(len(scores)), 2):
        if not blocks or np.isfinite(scores[one] + scores[other]).any():
            noise = found.of_difference(one, other)
            assert 0 < noise.margin(LEVEL) < 1e6
            assert 0 <= noise.beyond(1.0) <= 0.5


def test_blocks_that_explain_everything_leave_each_experiment_its_own_variance() -> None:
    """Runs of the first and the last share a seed with nobody else; the second has two of its own."""
    n = np.nan
    scores = np.array([[n, n, 1.0], [0.0, 4.0, n], [n, n, 2.0]])
    noise = SeedVariances(scores, blocks=True).of_difference(0, 2)
    assert noise.margin(LEVEL) > 1


def test_single_runs_show_no_variance() -> None:
    with pytest.raises(ValueError, match="at least one needs two"):
        SeedVariances(np.array([[1.0, np.nan], [np.nan, 2.0]]), blocks=False)
