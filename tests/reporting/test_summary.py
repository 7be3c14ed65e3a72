"""Each experiment's mean and interval, and the table that a suite leaves."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from cnnlib.reporting.results import read_suite
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
    assert (row.mean, row.n, row.undefined) == (2.0, 2, 1)
    assert math.isnan(nothing.mean)
    assert nothing.n == 0


def test_summary_csv(tmp_path: Path) -> None:
    folder = write_suite(
        tmp_path / "s", experiments={"base": 0.0, "good": 3.0, "lost": 0.0}, size=8, epochs=1
    )
    for seed in range(3):
        fail(folder, "lost", seed, "it broke")
    with write_summary(read_suite(folder)).open() as file:
        rows = list(csv.DictReader(file))
    own, tested = (
        "mean std n undefined low high",
        "verdict effect effect_low effect_high p margin p_equal more_seeds",
    )
    assert list(rows[0]) == ["experiment", "metric", *own.split(), *tested.split()]
    assert {row["experiment"] for row in rows} == {"base", "good"}
    by_key = {(row["experiment"], row["metric"]): row for row in rows}
    good = by_key["good", "depth/mae"]
    assert good["verdict"] == "better"
    assert float(good["p"]) < 0.05 < float(good["p_equal"])
    assert (
        float(good["effect_low"]) < float(good["effect"]) < float(good["effect_high"]) < 1
    )  # a ratio of errors
    assert float(good["margin"]) == 0.05
    assert by_key["good", "mask/dice"]["verdict"] == ""  # not what the runs are ranked by
    assert by_key["base", "mask/iou"]["verdict"] == "baseline"
    assert by_key["base", "mask/iou"]["n"] == "3"
