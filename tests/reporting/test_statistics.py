"""Intervals and tests against SciPy, against hand-computed numbers, and against simulated truth."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnnlib.reporting.statistics import (
    compare_to_baseline,
    holm,
    paired_differences,
    paired_test,
    summarise,
    write_summary,
)
from tests.reporting.fake_suite import fail, write_suite


def test_mean_and_interval_are_scipys() -> None:
    values = [0.91, 0.94, 0.93, 0.97]
    (row,) = summarise({"a": {seed: {"mask/iou": value} for seed, value in enumerate(values)}})
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert row.n == 4
    assert row.mean == pytest.approx(np.mean(values))
    assert row.std == pytest.approx(np.std(values, ddof=1))
    assert (row.low, row.high) == pytest.approx((interval.low, interval.high))


def test_one_seed_has_no_interval() -> None:
    (row,) = summarise({"a": {0: {"mask/iou": 0.9}}})
    assert (row.mean, row.n) == (0.9, 1)
    assert all(math.isnan(value) for value in (row.std, row.low, row.high))


def test_an_undefined_value_is_left_out_and_not_counted() -> None:
    row, nothing = summarise(
        {"a": {0: {"m": 1.0, "x": math.nan}, 1: {"m": math.nan, "x": math.nan}, 2: {"m": 3.0}}}
    )
    assert (row.mean, row.n) == (2.0, 2)
    assert math.isnan(nothing.mean)
    assert nothing.n == 0


def test_one_seed_is_tested_as_scipys_paired_t_test_over_images() -> None:
    table = np.random.default_rng(0).normal(0.2, 1, (1, 40))
    ours, oracle = paired_test(table), stats.ttest_1samp(table[0], 0)
    assert ours.p == pytest.approx(oracle.pvalue)
    assert (ours.low, ours.high) == pytest.approx(tuple(oracle.confidence_interval(0.95)))


def test_one_image_is_tested_as_scipys_paired_t_test_over_seeds() -> None:
    table = np.random.default_rng(0).normal(0.2, 1, (5, 1))
    assert paired_test(table).p == pytest.approx(stats.ttest_1samp(table[:, 0], 0).pvalue)


def test_images_that_agree_leave_the_seeds_alone_to_judge() -> None:
    """Where images vary less than chance, the test is the t-test over the seeds' means."""
    seeds = np.array([0.1, 0.5, 0.2, 0.4])
    table = seeds[:, None] + np.array([[1, -1], [-1, 1], [1, -1], [-1, 1]]) * 0.1
    assert paired_test(table).p == pytest.approx(stats.ttest_1samp(seeds, 0).pvalue)


def test_the_variance_is_the_textbooks() -> None:
    """A 2 x 3 table worked out by hand: MS_seed 6, MS_image 18.5, MS_rest 0.5."""
    table = np.array([[1.0, 4.0, 7.0], [4.0, 5.0, 9.0]])
    grand, seeds, images = 5.0, np.array([4.0, 6.0]), np.array([2.5, 4.5, 8.0])
    ms_seed = 3 * ((seeds - grand) ** 2).sum() / 1
    ms_image = 2 * ((images - grand) ** 2).sum() / 2
    ms_rest = ((table - seeds[:, None] - images + grand) ** 2).sum() / 2
    assert (ms_seed, ms_image, ms_rest) == (6.0, 15.5, 0.5)
    error = math.sqrt((6 + 15.5 - 0.5) / 6)
    degrees = 21**2 / (6**2 / 1 + 15.5**2 / 2 + 0.5**2 / 2)
    assert paired_test(table).p == pytest.approx(2 * stats.t.sf(grand / error, degrees))


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.3, 0.0)])
def test_differences_that_do_not_vary(value: float, p: float) -> None:
    assert paired_test(np.full((3, 10), value)).p == p


def test_a_single_difference_says_nothing() -> None:
    with pytest.raises(ValueError, match="at least two seeds or two images"):
        paired_test(np.ones((1, 1)))


def simulate(
    effect: float, seed_std: float, seeds: int, images: int, random: np.random.Generator
) -> np.ndarray:
    """Differences with a skewed image effect, as a few hard images make it."""
    hard = random.exponential(size=images) - 1
    return (
        effect + seed_std * random.normal(size=(seeds, 1)) + 0.5 * hard + random.normal(size=(seeds, images))
    )


@pytest.mark.parametrize("seed_std", [0.0, 0.1, 0.5])
def test_equal_methods_are_rarely_called_different(seed_std: float) -> None:
    random = np.random.default_rng(1)
    found = [paired_test(simulate(0, seed_std, 3, 60, random)).p < 0.05 for _ in range(400)]
    assert np.mean(found) < 0.10


def test_a_test_over_images_alone_would_overstate() -> None:
    """Why the seeds are random too: Wilcoxon over images calls equal methods different most of the time."""
    random = np.random.default_rng(2)
    tables = [simulate(0, 0.5, 3, 60, random) for _ in range(200)]
    assert np.mean([stats.wilcoxon(table.mean(axis=0)).pvalue < 0.05 for table in tables]) > 0.4
    assert np.mean([paired_test(table).p < 0.05 for table in tables]) < 0.10


@pytest.mark.parametrize(("effect", "seed_std", "seeds"), [(0.6, 0.05, 3), (0.6, 0.2, 5)])
def test_real_differences_are_found(effect: float, seed_std: float, seeds: int) -> None:
    random = np.random.default_rng(3)
    found = [paired_test(simulate(effect, seed_std, seeds, 100, random)).p < 0.05 for _ in range(200)]
    assert np.mean(found) > 0.8


def test_the_interval_covers_the_truth() -> None:
    random = np.random.default_rng(4)
    tests = [paired_test(simulate(0.3, 0.1, 3, 60, random)) for _ in range(400)]
    assert np.mean([test.low <= 0.3 <= test.high for test in tests]) > 0.90


def test_holm_as_worked_out_by_hand() -> None:
    """0.01 x 4, 0.03 x 3 = 0.09, 0.04 x 2 = 0.08 (raised to 0.09), 0.005 x 5, 0.5 x 1."""
    assert holm([0.01, 0.04, 0.03, 0.005, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.5])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_none_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1.0, len(p_values) * p)
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def per_image(shift: float, random: np.random.Generator, seeds: int = 3) -> dict[int, dict[str, float]]:
    base = np.linspace(0.7, 0.9, 50)
    noise = 0.02 * random.normal(size=(seeds, 50))
    return {
        seed: {f"image{index}": float(base[index] + shift + noise[seed, index]) for index in range(50)}
        for seed in range(seeds)
    }


def test_verdicts_follow_the_direction() -> None:
    random = np.random.default_rng(0)
    runs = {"base": per_image(0, random), "up": per_image(0.05, random), "down": per_image(-0.05, random)}
    runs["same"] = per_image(0, random)
    verdicts = {name: one.verdict for name, one in compare_to_baseline(runs, "base", True).items()}
    assert verdicts == {"base": "baseline", "up": "better", "down": "worse", "same": "no difference shown"}
    reverse = compare_to_baseline(runs, "base", higher_is_better=False)
    assert (reverse["up"].verdict, reverse["down"].verdict) == ("worse", "better")
    assert reverse["up"].test.difference == pytest.approx(0.05, abs=0.01)
    assert (reverse["up"].seeds, reverse["up"].images) == (3, 50)


def test_one_seed_speaks_of_its_training_run_only() -> None:
    random = np.random.default_rng(0)
    runs = {"base": per_image(0, random, 1), "up": per_image(0.05, random, 1)}
    assert compare_to_baseline(runs, "base", True)["up"].verdict == "better (this training run only)"


def test_more_experiments_ask_for_more_evidence() -> None:
    random = np.random.default_rng(0)
    runs = {"base": per_image(0, random), "up": per_image(0.004, random)}
    alone = compare_to_baseline(runs, "base", True)["up"].p
    crowd = runs | {f"other{index}": per_image(0, random) for index in range(6)}
    among = compare_to_baseline(crowd, "base", True)
    assert among["up"].test.p == pytest.approx(alone)
    assert among["up"].p > alone


def test_only_what_both_have_is_paired() -> None:
    one = {0: {"a": 1.0, "b": 2.0, "c": math.nan}, 1: {"a": 3.0, "b": 4.0, "c": 1.0}, 9: {"a": 0.0}}
    two = {1: {"b": 1.0, "a": 1.0, "c": 5.0}, 0: {"a": 0.5, "b": 0.5, "c": 5.0, "d": 7.0}}
    np.testing.assert_array_equal(paired_differences(one, two), [[0.5, 1.5], [2.0, 3.0]])


def test_nothing_in_common_is_not_compared() -> None:
    runs = {"base": {0: {"a": 1.0, "b": 2.0}}, "other": {1: {"a": 1.0, "b": 2.0}}, "bare": {0: {}}}
    found = compare_to_baseline(runs, "base", True)
    assert found["other"].verdict == found["bare"].verdict == "not compared"
    assert math.isnan(found["other"].p)


def test_summary_csv(tmp_path: Path) -> None:
    folder = write_suite(
        tmp_path / "s", experiments={"base": 0.0, "good": 3.0, "lost": 0.0}, size=8, epochs=1
    )
    for seed in range(3):
        fail(folder, "lost", seed, "it broke")
    with write_summary(folder).open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["experiment", "metric", "mean", "std", "n", "low", "high", "verdict", "p"]
    assert {row["experiment"] for row in rows} == {"base", "good"}
    by_key = {(row["experiment"], row["metric"]): row for row in rows}
    assert by_key["good", "depth/mae"]["verdict"] == "better"
    assert float(by_key["good", "depth/mae"]["p"]) < 0.05
    assert by_key["good", "mask/dice"]["verdict"] == ""  # not what the runs are ranked by
    assert by_key["base", "mask/iou"]["verdict"] == "baseline"
    assert by_key["base", "mask/iou"]["n"] == "3"
