"""Intervals and tests against SciPy, against hand-computed numbers, and against simulated truth."""

from __future__ import annotations

import csv
import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnnlib.files import write_csv
from cnnlib.reporting.comparison import Comparison, Verdict, compare_suite, compare_to_baseline
from cnnlib.reporting.results import read_suite
from cnnlib.reporting.statistics import DifferenceTest, SeedVariance, difference_test, holm, moderate
from cnnlib.reporting.summary import summarise, write_summary
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


def own_variance(table: np.ndarray) -> SeedVariance | None:
    """A run's mean over the images, as its own seeds show it."""
    return SeedVariance(table.mean(axis=1).var(ddof=1), len(table) - 1) if len(table) > 1 else None


def the_test(ours: np.ndarray, base: np.ndarray) -> DifferenceTest:
    return difference_test(ours, base, own_variance(ours), own_variance(base))


def test_one_seed_each_is_tested_as_scipys_paired_t_test_over_images() -> None:
    ours, base = np.random.default_rng(0).normal([[[0.2]], [[0.0]]], 1, (2, 1, 40))
    found, oracle = the_test(ours, base), stats.ttest_rel(ours[0], base[0])
    assert found.p == pytest.approx(oracle.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval(0.95)))


@pytest.mark.parametrize("seeds", [(5, 5), (2, 4), (6, 3)])
def test_one_image_is_tested_as_scipys_welch_test_over_seeds(seeds: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    ours, base = random.normal(0.5, 1, (seeds[0], 1)), random.normal(0, 3, (seeds[1], 1))
    oracle = stats.ttest_ind(ours[:, 0], base[:, 0], equal_var=False)
    found = the_test(ours, base)
    assert found.p == pytest.approx(oracle.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval(0.95)))


def test_images_that_agree_leave_the_seeds_alone_to_judge() -> None:
    """Where the images' differences vary less than chance, the test is Welch's over the runs' means."""
    means = np.array([[0.1, 0.5, 0.2, 0.4], [0.0, 0.3, 0.1, 0.1]])
    checks = np.array([[1, -1], [-1, 1], [1, -1], [-1, 1]]) * 0.1
    ours, base = (one[:, None] + checks for one in means)
    oracle = stats.ttest_ind(*means, equal_var=False)
    assert the_test(ours, base).p == pytest.approx(oracle.pvalue)


def test_the_variance_is_the_textbooks() -> None:
    """Two runs each on three images, worked out by hand with fractions."""
    ours = np.array([[1.0, 4.0, 7.0], [4.0, 5.0, 9.0]])  # runs' means 4 and 6; rest 0.5
    base = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 2.0]])  # runs' means 1 and 1; rest 0.5
    by_image = np.array([2.5 - 0.5, 4.5 - 0.5, 8.0 - 2.0])
    mean, seeds, image = 4.0, 2.0 / 2, by_image.var(ddof=1) / 3
    rest = 0.5 / (2 * 3)
    error = math.sqrt(seeds + 0 + image - rest - rest)
    degrees = error**4 / (seeds**2 / 1 + image**2 / 2 + 2 * rest**2 / 2)
    found = the_test(ours, base)
    assert found.difference == mean
    assert found.p == pytest.approx(2 * stats.t.sf(mean / error, degrees))


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.3, 0.0)])
def test_differences_that_do_not_vary(value: float, p: float) -> None:
    base = np.tile(np.linspace(0, 1, 10), (3, 1))
    assert the_test(base + value, base).p == p


def test_a_single_difference_says_nothing() -> None:
    with pytest.raises(ValueError, match="at least two seeds or two images"):
        the_test(np.ones((1, 1)), np.zeros((1, 1)))


def simulate(
    effects: Sequence[float], seed_stds: Sequence[float], seeds: int, images: int, random: np.random.Generator
) -> np.ndarray:
    """(experiments, seeds, images), with images that are hard for all, and a skew in what is hard for one."""
    count = len(effects)
    own = random.exponential(size=(count, 1, images)) - 1
    of_seed = np.array(seed_stds)[:, None, None] * random.normal(size=(count, seeds, 1))
    noise = random.normal(size=(count, seeds, images))
    return np.array(effects)[:, None, None] + of_seed + random.normal(size=images) + 0.4 * own + 0.7 * noise


def verdicts_of(scores: np.ndarray) -> list[Verdict]:
    """Of every experiment but the first, against it."""
    runs = {
        f"{name}": {seed: dict(enumerate(images)) for seed, images in enumerate(of_seeds.tolist())}
        for name, of_seeds in enumerate(scores)
    }
    return [one.verdict for name, one in compare_to_baseline(runs, "0", True).items() if name != "0"]


@pytest.mark.parametrize("spread", [0.0, 1.0], ids=["alike", "unlike"])
@pytest.mark.parametrize("count", [2, 5])
def test_equal_experiments_are_rarely_called_different(count: int, spread: float) -> None:
    random = np.random.default_rng(1)
    false = 0
    for _ in range(200):
        stds = 0.3 * np.exp(spread * random.normal(size=count) / 2)
        false += set(verdicts_of(simulate([0] * count, stds, 3, 60, random))) != {Verdict.NO_DIFFERENCE}
    assert false / 200 < 0.10


def test_a_test_over_images_alone_would_overstate() -> None:
    """Why the seeds are random too: Wilcoxon over images calls equal methods different most of the time."""
    random = np.random.default_rng(2)
    pairs = [simulate([0, 0], [0.4, 0.4], 3, 60, random) for _ in range(200)]
    over_images = [stats.wilcoxon(ours.mean(axis=0) - base.mean(axis=0)).pvalue for base, ours in pairs]
    assert np.mean(np.array(over_images) < 0.05) > 0.4
    assert np.mean([the_test(ours, base).p < 0.05 for base, ours in pairs]) < 0.10


def test_an_unsteady_experiment_does_not_borrow_the_others_steadiness() -> None:
    random = np.random.default_rng(3)
    stds = [0.05] * 9 + [3.0]
    last = [verdicts_of(simulate([0] * 10, stds, 3, 60, random))[-1] for _ in range(200)]
    assert np.mean([verdict is not Verdict.NO_DIFFERENCE for verdict in last]) < 0.05


def test_real_differences_are_found_and_more_of_them_beside_others() -> None:
    """All experiments together estimate the seed variance; Welch's three seeds alone would find far fewer."""
    random = np.random.default_rng(4)
    found, alone = [], []
    for _ in range(60):
        scores = simulate([0.0] * 6 + [0.8] * 6, [0.15] * 12, 3, 60, random)
        found += [verdict is Verdict.BETTER for verdict in verdicts_of(scores)[5:]]
        alone += [the_test(ours, scores[0]).p < 0.05 / 11 for ours in scores[6:]]
    assert np.mean(found) > 0.8
    assert np.mean(found) > np.mean(alone) + 0.1


def test_the_interval_covers_the_truth() -> None:
    random = np.random.default_rng(5)
    tests = [
        the_test(ours, base)
        for base, ours in (simulate([0, 0.3], [0.2, 0.2], 3, 60, random) for _ in range(300))
    ]
    assert np.mean([test.low <= 0.3 <= test.high for test in tests]) > 0.90


def test_a_known_prior_is_found_again() -> None:
    """Variances drawn from a scaled inverse chi-squared with 8 degrees of freedom and scale 2, seen with 2 and 4."""
    random = np.random.default_rng(6)
    degrees = np.tile([2, 4], 5000)
    true = 2 * 8 / random.chisquare(8, degrees.size)
    seen = [
        SeedVariance(value, count)
        for value, count in zip(true * random.chisquare(degrees) / degrees, degrees.tolist(), strict=True)
    ]
    drawn = moderate(seen)
    below = [(before, after) for before, after in zip(seen, drawn, strict=True) if after.value > before.value]
    expected = [(8 * 2 + before.degrees * before.value) / (8 + before.degrees) for before, _ in below]
    np.testing.assert_allclose([after.value for _, after in below], expected, rtol=0.05)
    np.testing.assert_allclose([after.degrees - before.degrees for before, after in below], 8, rtol=0.15)


variances = st.lists(
    st.builds(SeedVariance, st.floats(0, 1e6).filter(lambda x: x == 0 or x > 1e-9), st.integers(1, 9)),
    max_size=8,
)


@given(variances)
def test_a_variance_is_never_lowered_nor_trusted_less(seen: list[SeedVariance]) -> None:
    pool = sum(one.degrees for one in seen)
    for before, after in zip(seen, moderate(seen), strict=True):
        assert after.value >= before.value
        assert before.degrees <= after.degrees <= max(before.degrees, pool / 2)


def test_variances_that_differ_by_chance_alone_become_one() -> None:
    drawn = moderate([SeedVariance(1.0, 2), SeedVariance(1.1, 2), SeedVariance(0.9, 2), SeedVariance(1.0, 2)])
    assert [one.value for one in drawn] == pytest.approx([1.0, 1.1, 1.0, 1.0])
    assert [one.degrees for one in drawn] == [4] * 4


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
    verdicts = {name: one.words for name, one in compare_to_baseline(runs, "base", True).items()}
    assert verdicts == {"base": "baseline", "up": "better", "down": "worse", "same": "no difference shown"}
    reverse = compare_to_baseline(runs, "base", higher_is_better=False)
    assert (reverse["up"].verdict, reverse["down"].verdict) == (Verdict.WORSE, Verdict.BETTER)
    assert reverse["up"].test.difference == pytest.approx(0.05, abs=0.01)
    assert (reverse["up"].seeds, reverse["up"].images) == (3, 50)


def test_one_seed_speaks_of_its_training_run_only() -> None:
    random = np.random.default_rng(0)
    runs = {"base": per_image(0, random, 1), "up": per_image(0.05, random, 1)}
    found = compare_to_baseline(runs, "base", True)["up"]
    assert found.verdict is Verdict.BETTER
    assert found.one_run
    assert found.words == "better (this training run only)"
    assert replace(found, verdict=Verdict.UNCLEAR).words == "unclear"
    assert not Comparison(Verdict.NOT_COMPARED, seeds=1).one_run


def test_the_p_values_are_holms_over_the_experiments() -> None:
    random = np.random.default_rng(0)
    runs = {"base": per_image(0, random)} | {
        f"{shift}": per_image(shift, random) for shift in (0.002, 0.004, 0.006)
    }
    found = [one for one in compare_to_baseline(runs, "base", True).values() if one.test]
    assert [one.p for one in found] == holm([one.test.p for one in found])
    assert any(one.p > one.test.p for one in found)


def test_only_what_both_define_is_compared() -> None:
    one = {0: {"a": 1.0, "b": 2.0, "c": math.nan}, 1: {"a": 3.0, "b": 4.0, "c": 1.0}}
    two = {
        7: {"b": 1.0, "a": 1.0, "c": 5.0},
        8: {"a": 0.5, "b": 0.5, "c": 5.0, "d": 7.0},
        9: {"a": 0, "b": 0},
    }
    found = compare_to_baseline({"base": two, "other": one}, "base", True)["other"]
    assert (found.seeds, found.images) == (2, 2)
    assert found.test.difference == pytest.approx(2.5 - 0.5)


def test_nothing_in_common_is_not_compared() -> None:
    runs = {
        "base": {0: {"a": 1.0, "b": 2.0}},
        "other": {0: {"c": 1.0, "d": 2.0}},
        "bare": {0: {}},
        "none": {},
    }
    found = compare_to_baseline(runs, "base", True)
    assert found["other"].verdict == found["bare"].verdict == found["none"].verdict == Verdict.NOT_COMPARED
    assert math.isnan(found["other"].p)


def test_one_run_on_one_image_is_not_compared() -> None:
    runs = {
        "base": {0: {"a": 1.0}},
        "one": {0: {"a": 2.0}},
        "three": {seed: {"a": 2.0 + seed} for seed in range(3)},
    }
    found = compare_to_baseline(runs, "base", True)
    assert found["one"].verdict == found["three"].verdict == Verdict.NOT_COMPARED


def regroup(folder: Path, size: int) -> None:
    """Every ``size`` images in a row become a group that shares what it is off by."""
    for path in folder.glob("*/*/per_image.csv"):
        random = np.random.default_rng(zlib.crc32(path.parent.parent.name.encode()))
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        shift = random.normal(0, 0.05, len(rows))
        for index, row in enumerate(rows):
            row["group"] = f"room{index // size}"
            row["depth/mae"] = 1 + shift[index // size] + 0.001 * (index % size)
        write_csv(path, list(rows[0]), rows)


def test_images_of_one_group_count_as_one(tmp_path: Path) -> None:
    folder = write_suite(
        tmp_path / "s", experiments={"base": 0.0, "same": 0.0}, size=8, epochs=1, images=40, seeds=[0]
    )
    regroup(folder, 10)
    suite = read_suite(folder)
    assert (len(suite.groups), len(set(suite.groups.values()))) == (40, 4)
    found = compare_suite(suite)["depth/mae"]["same"]
    assert found.images == 4
    (base,), (same,) = suite.finished.values()
    rooms = [
        np.reshape(list(run.per_image["depth/mae"].values()), (4, 10)).mean(axis=1) for run in (same, base)
    ]
    assert found.test.p == pytest.approx(stats.ttest_rel(*rooms).pvalue)


def test_a_verdict_that_the_whole_split_contradicts_is_unclear(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "s", experiments={"base": 0.0, "good": 3.0}, size=8, epochs=1)
    assert compare_suite(read_suite(folder))["depth/mae"]["good"].verdict is Verdict.BETTER
    for path in folder.glob("good/*/result.json"):  # a few images with most of the pixels
        result = json.loads(path.read_text())
        result["test"]["depth/mae"] = 99.0
        path.write_text(json.dumps(result))
    assert compare_suite(read_suite(folder))["depth/mae"]["good"].verdict is Verdict.UNCLEAR


def test_summary_csv(tmp_path: Path) -> None:
    folder = write_suite(
        tmp_path / "s", experiments={"base": 0.0, "good": 3.0, "lost": 0.0}, size=8, epochs=1
    )
    for seed in range(3):
        fail(folder, "lost", seed, "it broke")
    with write_summary(read_suite(folder)).open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["experiment", "metric", "mean", "std", "n", "low", "high", "verdict", "p"]
    assert {row["experiment"] for row in rows} == {"base", "good"}
    by_key = {(row["experiment"], row["metric"]): row for row in rows}
    assert by_key["good", "depth/mae"]["verdict"] == "better"
    assert float(by_key["good", "depth/mae"]["p"]) < 0.05
    assert by_key["good", "mask/dice"]["verdict"] == ""  # not what the runs are ranked by
    assert by_key["base", "mask/iou"]["verdict"] == "baseline"
    assert by_key["base", "mask/iou"]["n"] == "3"
