"""delta_mtl: its definition, its baselines, its noise and its verdicts."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib.reporting.comparison import Verdict
from cnnlib.reporting.multi_task_gain import gains, write_gains
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_result import RunResult
from cnnlib.reporting.single_task import single_task_baselines
from tests.reporting.made_suite import suite_of

METRICS = {"mask": "mask/iou", "depth": "depth/mae"}
IMAGES = 40


def suite(
    means: Mapping[str, Mapping[str, float]],
    noise: float = 0.01,
    seeds: int = 3,
    configs: Mapping[str, Mapping[str, Any]] = {},
    images: int = IMAGES,
    **options: Any,
) -> SuiteResults:
    """``means``: experiment to task to the mean of its main metric. An experiment has the tasks that are given."""
    tables: dict[str, dict[str, np.ndarray]] = {metric: {} for metric in METRICS.values()}
    for index, (name, of_name) in enumerate(means.items()):
        for task, metric in METRICS.items():
            random = np.random.default_rng([index, task == "mask"])
            spread = 1 + noise * (random.normal(size=(seeds, 1)) + random.normal(size=(seeds, images)))
            mean = of_name.get(task, 1.0)
            table = (1.0 if math.isnan(mean) else mean) * spread
            table *= np.linspace(0.9, 1.1, images)
            tables[metric][name] = table
    made = suite_of(tables, **options)
    runs = []
    for run in made.runs:
        config = {
            "dataset": {"name": "scenes"},
            "augmentations": [],
            "training": {"epochs": "5"},
            "model": {"name": "resunet"},
            "tasks": {task: {"name": task} for task in means[run.experiment]},
        }
        of_tasks = _of_tasks(run, means[run.experiment])
        runs.append(with_config(of_tasks, config | dict(configs.get(run.experiment, {}))))
    return replace(made, runs=tuple(runs))


def with_config(run: RunResult, config: Mapping[str, Any]) -> RunResult:
    vars(run).update(config=config, missing=())  # in the place of files
    return run


def _of_tasks(run: RunResult, means: Mapping[str, float]) -> RunResult:
    """Without the metrics of tasks that the experiment has not; undefined ones where its mean is."""
    metrics = [METRICS[task] for task in means]
    undefined = [METRICS[task] for task, mean in means.items() if math.isnan(mean)]
    test = {metric: math.nan if metric in undefined else run.test[metric] for metric in metrics}
    ranked_by = [each for each in run.result["ranked_by"] if each["metric"] in metrics]
    per_image = {metric: run.per_image[metric] for metric in metrics}
    return replace(run, result={**run.result, "test": test, "ranked_by": ranked_by}, per_image=per_image)


TWO = {"mask": 0.8, "depth": 0.5}
ALONE = {"mask_alone": {"mask": 0.8}, "depth_alone": {"depth": 0.5}}


def by_hand(made: SuiteResults, name: str) -> float:
    mean = {
        (run.experiment, metric): fmean(each.test[metric] for each in made.finished[run.experiment])
        for run in made.runs
        for metric in run.test
    }
    mask = mean[name, "mask/iou"] / mean["mask_alone", "mask/iou"] - 1
    depth = mean[name, "depth/mae"] / mean["depth_alone", "depth/mae"] - 1
    return (mask - depth) / 2


def test_the_value_is_the_papers() -> None:
    made = suite({"equal": TWO, "other": {"mask": 0.88, "depth": 0.4}, **ALONE})
    found = gains(made)
    assert list(found) == ["equal", "other"]
    for name, gain in found.items():
        assert gain.value == pytest.approx(by_hand(made, name), rel=1e-12)
        assert gain.value == pytest.approx(fmean(gain.of_tasks.values()))
        assert gain.alone == {"mask": "mask_alone", "depth": "depth_alone"}
    assert found["other"].of_tasks["mask"] == pytest.approx(0.1, abs=0.02)
    assert found["other"].of_tasks["depth"] == pytest.approx(0.2, abs=0.02)


def test_verdicts_against_single_task_nets_and_against_the_baseline() -> None:
    found = gains(
        suite(
            {
                "equal": TWO,
                "good": {"mask": 0.88, "depth": 0.45},
                "bad": {"mask": 0.7, "depth": 0.6},
                "same": TWO,
                **ALONE,
            },
            noise=0.002,
        )
    )
    alone = {name: gain.against_alone.verdict for name, gain in found.items()}
    assert alone == {
        "equal": Verdict.EQUAL,
        "good": Verdict.BETTER,
        "bad": Verdict.WORSE,
        "same": Verdict.EQUAL,
    }
    over = {name: gain.against_baseline.verdict for name, gain in found.items()}
    assert over == alone | {"equal": Verdict.BASELINE}
    difference = found["good"].against_baseline.effect[0]
    assert difference == pytest.approx(found["good"].value - found["equal"].value)


@settings(max_examples=20)
@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_units_do_not_matter(of_mask: float, of_depth: float) -> None:
    scale = {"mask": of_mask, "depth": of_depth}
    means = {"equal": TWO, "other": {"mask": 0.82, "depth": 0.46}, **ALONE}
    scaled = {name: {task: scale[task] * mean for task, mean in of.items()} for name, of in means.items()}
    one, other = gains(suite(means))["other"], gains(suite(scaled))["other"]
    assert other.value == pytest.approx(one.value, abs=1e-9)
    assert other.against_alone.effect == pytest.approx(one.against_alone.effect, abs=1e-6)
    assert other.against_alone.p == pytest.approx(one.against_alone.p, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("whole", [0.0, 0.06])
def test_intervals_cover_what_they_promise(whole: float) -> None:
    """Equal experiments: 0 lies in the 95 % interval in most draws, and few are called different.

    ``whole`` is what seeds do to the metrics of the whole split, of which delta_mtl is made, and not to images' own.
    """
    covered, called, draws = 0, 0, 120
    for draw in range(draws):
        random = np.random.default_rng(draw)
        tables = {
            metric: {
                name: 0.5 * (1 + 0.03 * random.normal(size=(3, 1)) + 0.05 * random.normal(size=(3, 30)))
                for name in ("equal", "a", "b", "c", "mask_alone", "depth_alone")
            }
            for metric in METRICS.values()
        }
        made = suite_of(tables)
        for run in made.runs:
            tasks = [run.experiment.removesuffix("_alone")] if "alone" in run.experiment else METRICS
            with_config(run, {"tasks": {task: {} for task in tasks}})
            for metric in run.test:
                run.test[metric] *= 1 + whole * random.normal()
        gain = gains(made)["a"]
        low, high = gain.against_baseline.effect[1:]
        covered += low <= 0 <= high
        called += gain.against_baseline.verdict in (Verdict.BETTER, Verdict.WORSE)
    assert covered / draws > 0.9
    assert called / draws < 0.06


def test_single_task_baselines_are_those_of_the_same_budget() -> None:
    long = {"training": {"epochs": "50"}}
    made = suite({"equal": TWO, **ALONE}, configs={"mask_alone": long})
    found, reasons = single_task_baselines(made)
    assert not found
    assert reasons == {"equal": "no experiment trains mask alone with its data and training"}
    gain = gains(made)["equal"]
    assert math.isnan(gain.value)
    assert gain.reason == reasons["equal"]


def test_a_single_task_baseline_begins_where_the_others_begin() -> None:
    pretrained = {"start_from": {"run": "elsewhere/"}}
    found, reasons = single_task_baselines(
        suite({"equal": TWO, **ALONE}, configs={"depth_alone": pretrained})
    )
    assert not found
    assert reasons == {"equal": "no experiment trains depth alone with its data and training"}


def test_a_task_of_weight_0_is_not_trained() -> None:
    tasks = {"mask": {"name": "mask"}, "depth": {"name": "depth", "weight": 0}}
    means = {"equal": TWO, "mask_and_nothing": TWO, "depth_alone": {"depth": 0.5}}
    found, reasons = single_task_baselines(suite(means, configs={"mask_and_nothing": {"tasks": tasks}}))
    assert found == {"equal": {"mask": "mask_and_nothing", "depth": "depth_alone"}}
    assert not reasons


def test_of_several_the_one_with_the_same_loss_is_taken_before_the_one_with_the_same_model() -> None:
    dice = {"tasks": {"mask": {"name": "mask", "loss": "dice"}, "depth": {"name": "depth", "weight": 3}}}
    alone = {"tasks": {"mask": {"name": "mask", "loss": "dice"}}, "model": {"name": "other"}}
    means = {"equal": TWO, "dice": TWO, **ALONE, "mask_dice": {"mask": 0.9}}
    found, _ = single_task_baselines(suite(means, configs={"dice": dice, "mask_dice": alone}))
    assert found["dice"] == {"mask": "mask_dice", "depth": "depth_alone"}
    assert found["equal"] == {"mask": "mask_alone", "depth": "depth_alone"}


def test_of_several_the_one_with_the_same_model_is_taken() -> None:
    other = {"model": {"name": "other"}}
    means = {"equal": TWO, "big": TWO, **ALONE, "mask_big": {"mask": 0.9}, "depth_big": {"depth": 0.3}}
    configs = dict.fromkeys(("big", "mask_big", "depth_big"), other)
    found, _ = single_task_baselines(suite(means, configs=configs))
    assert found == {
        "equal": {"mask": "mask_alone", "depth": "depth_alone"},
        "big": {"mask": "mask_big", "depth": "depth_big"},
    }
    assert gains(suite(means, configs=configs))["big"].value == pytest.approx(
        (0.8 / 0.9 - 1 - (0.5 / 0.3 - 1)) / 2, abs=0.02
    )


def test_a_suite_without_single_task_nets_has_none() -> None:
    assert gains(suite({"equal": TWO, "other": TWO})) == {}


def test_images_without_a_label_leave_the_mean_and_its_noise_as_they_are() -> None:
    """Half of the depths are missing: their part of the variance, half of it before, is twice as large."""
    made = suite({"equal": TWO, "other": {"mask": 0.82, "depth": 0.46}, **ALONE}, seeds=1, images=400)
    half = []
    for run in made.runs:
        per_image = {
            metric: {
                image: math.nan if metric == "depth/mae" and index % 2 else value
                for index, (image, value) in enumerate(of_metric.items())
            }
            for metric, of_metric in run.per_image.items()
        }
        half.append(with_config(replace(run, per_image=per_image), run.config))
    whole, part = gains(made)["other"], gains(replace(made, runs=tuple(half)))["other"]
    widths = [high - low for _, low, high in (part.against_baseline.effect, whole.against_baseline.effect)]
    assert widths[0] / widths[1] == pytest.approx(math.sqrt(3 / 2), abs=0.1)


def test_folds_are_compared_in_pairs() -> None:
    made = suite({"equal": TWO, "other": {"mask": 0.88, "depth": 0.4}, **ALONE}, noise=0.002, seeds=5)
    folds = [with_config(replace(run, result={**run.result, "folds": 5}), run.config) for run in made.runs]
    gain = gains(replace(made, runs=tuple(folds)))["other"]
    assert gain.against_baseline.verdict is Verdict.BETTER
    assert gain.against_alone.verdict is Verdict.BETTER


def test_an_undefined_metric_is_no_gain() -> None:
    gain = gains(suite({"equal": TWO, "other": {"mask": 0.8, "depth": math.nan}, **ALONE}))["other"]
    assert math.isnan(gain.value)
    assert gain.against_alone.verdict is Verdict.NOT_COMPARED
    assert "undefined on the whole split" in gain.reason
    zero = gains(suite({"equal": TWO, "mask_alone": {"mask": 0.0}, "depth_alone": {"depth": 0.5}}))["equal"]
    assert "mask/iou of mask_alone is 0" in zero.reason


def test_failed_runs_are_left_out() -> None:
    means = {"equal": TWO, "other": {"mask": 0.88, "depth": 0.4}, **ALONE}
    found = gains(suite(means, failed=[("other", 1), ("mask_alone", 2)]))
    for name in ("equal", "other"):
        assert found[name].against_alone.effect is not None
    assert found["other"].value == pytest.approx(0.15, abs=0.03)


def test_single_task_nets_without_a_common_seed_are_no_baseline() -> None:
    failed = [("mask_alone", 0), ("mask_alone", 1), ("depth_alone", 2)]
    gain = gains(suite({"equal": TWO, "other": TWO, **ALONE}, failed=failed))["other"]
    assert gain.against_alone.verdict is Verdict.NOT_COMPARED
    assert gain.reason == "the single-task nets: they have no seed under which every task was measured"
    assert gain.against_baseline.effect is not None


def test_families_of_other_single_task_nets_are_not_compared_with_each_other() -> None:
    long = {"training": {"epochs": "50"}}
    means = {"equal": TWO, "long": TWO, **ALONE, "mask_long": {"mask": 0.9}, "depth_long": {"depth": 0.4}}
    found = gains(suite(means, configs=dict.fromkeys(("long", "mask_long", "depth_long"), long)))
    assert found["long"].against_alone.effect is not None
    assert found["long"].against_baseline.reason == "equal has other single-task nets, or none"


def test_one_seed_speaks_of_these_runs_only() -> None:
    gain = gains(suite({"equal": TWO, "other": {"mask": 0.9, "depth": 0.4}, **ALONE}, seeds=1))["other"]
    assert gain.against_baseline.one_run


def test_the_table(tmp_path: Any) -> None:
    made = replace(suite({"equal": TWO, "other": {"mask": 0.88, "depth": 0.4}, **ALONE}), folder=tmp_path)
    path = write_gains(made)
    assert path is not None
    rows = {row["experiment"]: row for row in csv.DictReader(path.read_text().splitlines())}
    assert float(rows["other"]["delta_mtl"]) == pytest.approx(by_hand(made, "other"), rel=1e-6)
    assert rows["equal"]["over_verdict"] == "baseline"
    assert float(rows["other"]["low"]) < float(rows["other"]["delta_mtl"]) < float(rows["other"]["high"])
    assert set(rows["other"]) >= {"mask", "depth", "over", "p"}
    assert rows["other"]["alone_mask"] == "mask_alone"
    assert write_gains(replace(suite({"equal": TWO}), folder=tmp_path)) is None
    assert not path.exists()
