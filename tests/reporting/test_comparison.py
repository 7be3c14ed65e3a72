"""Verdicts: what they follow from, what they are corrected for, and what is not compared."""

from __future__ import annotations

import csv
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

from cnnlib.files import write_csv
from cnnlib.reporting.comparison import Comparison, Verdict, compare_steps, compare_suite, undecided
from cnnlib.reporting.looks import price_of_looking
from cnnlib.reporting.results import SuiteResults, read_suite
from cnnlib.reporting.statistics import holm
from tests.reporting.fake_suite import write_suite
from tests.reporting.made_suite import suite_of


def table(shift: float, seeds: int = 3, noise: float = 0.02, base: float = 0.8, index: int = 0) -> np.ndarray:
    """(seeds, 50 images) around ``base + shift``."""
    random = np.random.default_rng([index, seeds])
    return base + np.linspace(-0.1, 0.1, 50) + shift + noise * random.normal(size=(seeds, 50))


def compared(
    tables: Mapping[str, np.ndarray], metric: str = "mask/iou", **options: object
) -> dict[str, Comparison]:
    return dict(compare_suite(suite_of({metric: tables}, **options))[metric].experiments)


def test_verdicts_follow_the_direction() -> None:
    tables = {
        "base": table(0),
        "up": table(0.05, index=1),
        "down": table(-0.05, index=2),
        "same": table(0, index=3),
    }
    shares = compared(tables)
    assert {name: one.verdict.value for name, one in shares.items()} == {
        "base": "baseline",
        "up": "better",
        "down": "worse",
        "same": "equal",
    }
    errors = compared(tables, "depth/mae")
    assert (errors["up"].verdict, errors["down"].verdict) == (Verdict.WORSE, Verdict.BETTER)
    assert shares["up"].effect[0] == pytest.approx(0.05, abs=0.01)
    assert errors["up"].effect[0] == pytest.approx(0.85 / 0.8, abs=0.01)
    assert (shares["up"].difference.seeds, shares["up"].difference.images) == (3, 50)


def test_only_what_is_tested_on_the_same_images_is_compared(tmp_path: Path) -> None:
    """Rendered pictures of another seed have the same names; those of other files have others."""
    write_suite(
        tmp_path / "s", experiments={"a": 0.0, "b": 1.0, "drawn": 5.0, "files": 5.0, "stretched": 1.0}
    )
    alone = compare_suite(replace(read_suite(tmp_path / "s"), experiments=("a", "b")))["mask/iou"].experiments
    for run in tmp_path.glob("s/*/seed-*"):
        config = yaml.safe_load((run / "config.yaml").read_text())
        config["dataset"] |= {"drawn": {"seed": 100}, "stretched": {"size": 16}}.get(run.parent.name, {})
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        if run.parent.name == "files":
            table = (run / "per_image.csv").read_text()
            (run / "per_image.csv").write_text(table.replace("scene-", "other-"))
    found = compare_suite(read_suite(tmp_path / "s"))["mask/iou"].experiments
    reason = "it is not tested on the images of a"
    assert {name: one.reason for name, one in found.items() if one.reason} == {
        "drawn": reason,
        "files": reason,
    }
    assert found["stretched"].difference
    assert found["b"].difference.value == alone["b"].difference.value
    steps = compare_steps(read_suite(tmp_path / "s"), {"drawn": "a", "b": "a", "files": "drawn"})
    assert {name for (_, name), one in steps.items() if one.difference} == {"b"}


def test_errors_are_compared_as_ratios() -> None:
    """Ten times the error, ten times the spread: the same verdicts."""
    tables = {"base": table(0, noise=0.2), "other": table(0.05, noise=0.2, index=1)}
    once, tenfold = (
        compared({name: scale * one for name, one in tables.items()}, "depth/mae")["other"]
        for scale in (1, 10)
    )
    assert once.effect == pytest.approx(tenfold.effect)
    assert once.p == pytest.approx(tenfold.p)


def test_equal_needs_a_margin_that_the_noise_allows() -> None:
    tables = {"base": table(0), "same": table(0.001, index=1)}
    assert compared(tables)["same"].verdict is Verdict.EQUAL
    assert compared(tables)["same"].margin == 0.01
    strict = compared(tables, margins={"mask": 0.0001})["same"]
    assert strict.verdict is Verdict.UNDECIDED
    assert strict.margin == 0.0001
    assert compared(tables, margins={"depth": 0.0001})["same"].verdict is Verdict.EQUAL


def test_a_difference_within_the_margin_is_still_a_difference() -> None:
    one = compared({"base": table(0), "up": table(0.03, index=1)}, margins={"mask": 0.1})["up"]
    assert one.verdict is Verdict.BETTER
    assert one.small


def test_the_p_values_are_holms_over_experiments_and_metrics() -> None:
    shifts = {"base": 0, "a": 0.004, "b": 0.006, "c": 0.008}
    of_metric = {name: table(shift, index=index) for index, (name, shift) in enumerate(shifts.items())}
    suite = suite_of({"mask/iou": of_metric, "depth/mae": of_metric})
    both = [
        one
        for metric in compare_suite(suite).values()
        for one in metric.experiments.values()
        if one.difference
    ]
    assert [one.p for one in both] == pytest.approx(holm([one.difference.p for one in both]))
    assert any(one.p > 5 * one.difference.p for one in both)


def test_the_main_task_alone_is_tested_and_corrected() -> None:
    of_metric = {name: table(0.004 * index, index=index) for index, name in enumerate("abc")}
    suite = suite_of({"depth/mae": of_metric, "mask/iou": of_metric}, main_task="mask")
    found = compare_suite(suite)
    assert list(found) == ["mask/iou"]
    assert list(suite.ranked_by) == ["mask/iou", "depth/mae"]
    ours = [one for one in found["mask/iou"].experiments.values() if one.difference]
    assert [one.p for one in ours] == pytest.approx(holm([one.difference.p for one in ours]))


def test_one_seed_speaks_of_its_training_run_only() -> None:
    tables = {"base": table(0, seeds=1), "up": table(0.05, seeds=1, index=1)}
    one = compared(tables)["up"]
    assert one.verdict is Verdict.BETTER
    assert one.one_run
    assert one.difference.p == pytest.approx(stats.ttest_rel(tables["up"][0], tables["base"][0]).pvalue)


def test_a_baseline_with_one_run_left_counts_the_seeds_too() -> None:
    """Its seed's luck is unknown, and the others tell how large such luck is."""
    random = np.random.default_rng(0)
    false = 0
    for _ in range(60):
        tables = {
            name: 0.8 + 0.03 * random.normal(size=(3, 1)) + 0.01 * random.normal(size=(3, 50))
            for name in "abcd"
        }
        tables["a"] = tables["a"][:1]
        found = compared(tables)
        assert not found["b"].one_run
        false += any(one.verdict in (Verdict.BETTER, Verdict.WORSE) for one in found.values())
    assert false / 60 < 0.15


def test_the_share_that_seeds_have_in_common_is_told_where_it_is_taken_out() -> None:
    random = np.random.default_rng(0)
    common = 0.03 * random.normal(size=(40, 1))
    tables = {
        name: 0.8 + common + 0.015 * random.normal(size=(40, 1)) + np.zeros((40, 20)) for name in "abcd"
    }
    suite = suite_of({"mask/iou": tables})
    assert compare_suite(suite)["mask/iou"].shared == pytest.approx(0.8, abs=0.15)
    few = suite_of({"mask/iou": {name: one[:2] for name, one in tables.items()}})
    assert compare_suite(few)["mask/iou"].shared is None


def test_what_cannot_be_compared_says_why() -> None:
    bad = table(0, index=2)
    bad[0, :20] = np.nan
    tables = {"base": table(0), "fine": table(0.05, index=1), "bad": bad}
    found = compared(tables)
    assert found["fine"].verdict is Verdict.BETTER
    assert found["bad"].verdict is Verdict.NOT_COMPARED
    assert found["bad"].reason == "undefined on 20 of 50 images under seed 0"
    turned = compared({"bad": bad, "base": table(0), "fine": table(0.05, index=1)})
    assert {turned[name].reason for name in ("base", "fine")} == {f"bad: {found['bad'].reason}"}
    lone = compared({"base": np.array([[0.5]]), "other": np.array([[0.6]])})["other"]
    assert lone.verdict is Verdict.NOT_COMPARED
    assert "two seeds or two images" in lone.reason


def test_losing_one_file_of_the_baseline_costs_one_run() -> None:
    suite = suite_of({"mask/iou": {"base": table(0, 4), "up": table(0.05, 4, index=1)}})
    first = replace(suite.runs[0], per_image={})
    found = compare_suite(replace(suite, runs=(first, *suite.runs[1:])))["mask/iou"].experiments["up"]
    assert found.verdict is Verdict.BETTER
    assert found.difference.seeds == 3


def test_undecided_says_how_many_more_seeds() -> None:
    random = np.random.default_rng(4)
    tables = {
        name: 0.8 + shift + 0.02 * random.normal(size=(3, 1)) + 0.005 * random.normal(size=(3, 50))
        for name, shift in {"base": 0.0, "other": 0.02}.items()
    }
    one = compared(tables, margins={"mask": 0.001})["other"]
    assert one.verdict is Verdict.UNDECIDED
    assert 1 <= one.more_seeds <= 60
    assert one.seconds == 120.0


def sequential(tables: Mapping[str, np.ndarray], seeds: int, **options: object) -> SuiteResults:
    """A suite of ten seeds at most, compared after three, of which the first ``seeds`` have been run."""
    kept = {name: one[:seeds] for name, one in tables.items()}
    return suite_of({"mask/iou": kept}, seeds=tuple(range(10)), first_seeds=3, **options)


def test_what_is_decided_stays_as_it_was() -> None:
    random = np.random.default_rng(0)
    tables = {
        name: 0.8 + shift + 0.01 * random.normal(size=(10, 1)) + 0.005 * random.normal(size=(10, 50))
        for name, shift in {"base": 0.0, "far": 0.3, "near": 0.012}.items()
    }
    first = compare_suite(sequential(tables, 3, margins={"mask": 0.001}))["mask/iou"].experiments
    assert first["far"].verdict is Verdict.BETTER
    assert first["near"].verdict is Verdict.UNDECIDED
    far = {name: one[:3] if name == "far" else one for name, one in tables.items()}
    later = compare_suite(sequential(far, 10, margins={"mask": 0.001}))["mask/iou"].experiments
    assert (later["far"].p, later["far"].effect) == (first["far"].p, first["far"].effect)
    assert later["near"].difference.seeds > 3


def test_looking_costs() -> None:
    tables = {"base": table(0, 10), "other": table(0.004, 10, index=1)}
    whole = compared(tables, margins={"mask": 0.0001})["other"]
    looked = compare_suite(sequential(tables, 3, margins={"mask": 0.0001}))["mask/iou"].experiments["other"]
    assert looked.p == pytest.approx(price_of_looking(looked.difference.p, [3], 10))
    assert looked.p > looked.difference.p
    assert whole.p == whole.difference.p


def test_a_look_waits_for_all_that_is_open() -> None:
    tables = {"base": table(0, 4), "a": table(0.001, 4, index=1), "b": table(0.001, 4, index=2)}
    tables["b"] = tables["b"][:3]
    suite = sequential(tables, 4, margins={"mask": 0.00001})
    found = compare_suite(suite)
    assert undecided(found) == ["a", "b"]
    assert {one.difference.seeds for one in found["mask/iou"].experiments.values() if one.difference} == {3}
    ended = sequential(
        {**tables, "b": table(0.001, 4, index=2)}, 4, failed=[("b", 3)], margins={"mask": 0.00001}
    )
    assert compare_suite(ended)["mask/iou"].experiments["a"].difference.seeds == 4


def test_nothing_to_compare() -> None:
    alone = suite_of({"mask/iou": {"base": table(0)}})
    assert compare_suite(alone) == {}
    lost = suite_of({"mask/iou": {"base": table(0, 1), "other": table(0, 1)}}, failed=[("base", 0)])
    assert compare_suite(lost) == {}
    assert undecided({}) == []


def regroup(folder: Path, size: int) -> None:
    """Every ``size`` images in a row become a group that shares what it is off by."""
    for path in folder.glob("*/*/per_image.csv"):
        random = np.random.default_rng(zlib.crc32(path.parent.parent.name.encode()))
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        shift = random.normal(0, 0.05, len(rows))
        for index, row in enumerate(rows):
            row["group"] = f"room{index // size}"
            row["mask/iou"] = 0.5 + shift[index // size] + 0.001 * (index % size)
        write_csv(path, list(rows[0]), rows)


def test_images_of_one_group_count_as_one(tmp_path: Path) -> None:
    folder = write_suite(
        tmp_path / "s", experiments={"base": 0.0, "same": 0.0}, size=8, epochs=1, images=40, seeds=[0]
    )
    regroup(folder, 10)
    suite = read_suite(folder)
    assert (len(suite.groups), len(set(suite.groups.values()))) == (40, 4)
    found = compare_suite(suite)["mask/iou"].experiments["same"]
    assert found.difference.images == 4
    (base,), (same,) = suite.finished.values()
    rooms = [
        np.reshape(list(run.per_image["mask/iou"].values()), (4, 10)).mean(axis=1) for run in (same, base)
    ]
    assert found.difference.p == pytest.approx(stats.ttest_rel(*rooms).pvalue)


def test_a_verdict_that_the_whole_split_contradicts_is_unclear(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "s", experiments={"base": 0.0, "good": 3.0}, size=8, epochs=1)

    def verdict() -> Verdict:
        return compare_suite(read_suite(folder))["depth/mae"].experiments["good"].verdict

    assert verdict() is Verdict.BETTER
    for path in folder.glob("good/*/result.json"):  # a few images with most of the pixels
        result = json.loads(path.read_text())
        result["test"]["depth/mae"] = 99.0
        path.write_text(json.dumps(result))
    assert verdict() is Verdict.UNCLEAR


def test_a_comparison_without_a_difference_has_no_effect() -> None:
    assert all(math.isnan(value) for value in Comparison(Verdict.NOT_COMPARED).effect)
