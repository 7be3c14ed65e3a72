"""Suites from the command line to the files that they leave."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from cnnlib.types import Sample
from tests.half_labelled import has_label
from tests.tiny_suite import TINY, assert_same_weights, session_of, write_suite
from tools.run_suite import main

SEVEN = ("mask", "depth", "semantic", "normals", "points", "label", "box")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of two experiments and two seeds that ran through."""
    folder = tmp_path_factory.mktemp("finished")
    path = write_suite(folder, seeds=[0, 1], experiments={"bce": {}, "l1": {"tasks.mask.loss": "l1"}})
    assert main([str(path), "--out", str(folder / "runs"), "--jobs", "2"]) == 0
    return folder / "runs" / "tiny"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_run_leaves_its_files(finished: Path) -> None:
    for experiment in ("bce", "l1"):
        for seed in (0, 1):
            run = finished / experiment / f"seed-{seed}"
            for name in (
                "config.yaml",
                "data.json",
                "environment.json",
                "metrics.csv",
                "per_image.csv",
                "result.json",
                "run.log",
                "top3_best_mask.png",
                "top3_worst_depth.png",
            ):
                assert (run / name).stat().st_size > 0, name
            assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
            assert len(list(run.glob("events.out.tfevents.*"))) == 1
            assert not list(run.rglob("*.partial"))
    for name in ("suite.yaml", "results.csv", "summary.csv", "report.html"):
        assert (finished / name).stat().st_size > 0, name


def test_tables_agree_with_the_results(finished: Path) -> None:
    results = [json.loads(path.read_text()) for path in finished.glob("*/*/result.json")]
    table = rows_of(finished / "results.csv")
    assert len(table) == len(results) == 4
    for result in results:
        (row,) = [
            r for r in table if (r["experiment"], r["seed"]) == (result["experiment"], str(result["seed"]))
        ]
        assert row["status"] == "finished"
        for key, value in result["test"].items():
            assert float(row[f"test/{key}"]) == value
    means = {
        (row["experiment"], row["metric"]): float(row["mean"]) for row in rows_of(finished / "summary.csv")
    }
    for experiment in ("bce", "l1"):
        own = [result["test"]["mask/iou"] for result in results if result["experiment"] == experiment]
        assert means[experiment, "mask/iou"] == pytest.approx(np.mean(own))


def test_the_metrics_are_those_of_the_saved_pictures(finished: Path) -> None:
    """What is reported and what is saved come from the same predictions."""
    run = finished / "bce" / "seed-0"
    found = truth = both = 0
    errors = []
    for path in sorted((run / "predictions" / "mask").iterdir()):
        mask, true_mask = (
            np.asarray(Image.open(run / "predictions" / part / "mask" / path.name)) for part in (".", "truth")
        )
        assert set(np.unique(mask)) <= {0, 255}
        found, truth, both = (
            found + (mask > 0).sum(),
            truth + (true_mask > 0).sum(),
            both + ((mask > 0) & (true_mask > 0)).sum(),
        )
        depth, true_depth = (
            np.asarray(Image.open(run / "predictions" / part / "depth" / path.name)).astype(float) / 1000
            for part in (".", "truth")
        )
        valid_path = run / "predictions" / "valid" / "depth" / path.name
        valid = (
            np.asarray(Image.open(valid_path)) > 0
            if valid_path.exists()
            else np.ones(depth.shape, dtype=bool)
        )
        errors.append(np.abs(depth - true_depth)[valid])
    test = json.loads((run / "result.json").read_text())["test"]
    assert test["mask/iou"] == pytest.approx(both / (found + truth - both), abs=1e-9)
    assert test["depth/mae"] == pytest.approx(
        np.concatenate(errors).mean(), abs=1e-3
    )  # files hold millimetres


@pytest.mark.filterwarnings("ignore:All-NaN slice")
def test_the_constant_predictor_is_taken_from_one_split_and_measured_on_another(finished: Path) -> None:
    """The median depth, and the mask of all pixels from the threshold of the mean mask that is best in training."""
    from cnnlib.datasets import Scenes

    scenes = Scenes(size=32, train=16, val=4, test=5)
    train, test = (
        [scenes.split(part)[index] for index in range(count)] for part, count in (("train", 16), ("test", 5))
    )

    def known(samples: list[Sample]) -> np.ndarray:
        return np.stack(
            [np.where(value.valid, value.value, np.nan) for value in (s["depth"] for s in samples)]
        )

    def iou(mask: np.ndarray, samples: list[Sample]) -> float:
        truth = np.stack([sample["mask"].value.numpy() > 0.5 for sample in samples])
        return (mask & truth).sum() / (mask | truth).sum()

    median = np.nanmedian(known(train), axis=0)
    others = np.nanmedian(np.nanmedian(median, axis=1, keepdims=True), axis=2, keepdims=True)
    errors = np.abs(np.where(np.isnan(median), others, median) - known(test))
    mean = np.mean([sample["mask"].value.numpy() for sample in train], axis=0)
    best = max((mean >= level / 16 for level in range(1, 17)), key=lambda mask: iou(mask, train))
    for path in finished.glob("*/*/result.json"):
        reported = json.loads(path.read_text())["constant"]
        assert reported["depth/mae"] == pytest.approx(np.nanmean(errors), rel=1e-5)
        assert reported["mask/iou"] == pytest.approx(iou(best, test))
        assert reported["mask/iou"] > iou(mean >= 0.5, test)


def only_the_mask(folder: Path, name: str) -> dict[str, Any]:
    """``result.json`` of a run on one of the data sets of ``half_labelled``, depth predicted and not trained."""
    folder.mkdir()
    path = write_suite(
        folder,
        dataset=TINY["dataset"] | {"name": f"tests.half_labelled.{name}", "train": 40, "val": 10, "test": 12},
        tasks={"mask": {"loss": "bce"}, "depth": {"loss": "l1", "weight": 0.0}},
    )
    assert main([str(path), "--out", str(folder / "runs")]) == 0
    return json.loads((folder / "runs/tiny/tiny/seed-0/result.json").read_text())


def test_missing_labels_are_as_if_their_samples_were_not_there(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    half, only = (only_the_mask(tmp_path / name, name) for name in ("HalfLabelled", "OnlyMasked"))
    for key, value in only["test"].items():
        if key.startswith("mask/") and "loss" not in key:
            assert half["test"][key] == value, key
            assert half["constant"][key] == only["constant"][key], key
    assert half["best_epoch"] == only["best_epoch"]
    rows = rows_of(tmp_path / "HalfLabelled/runs/tiny/tiny/seed-0/per_image.csv")
    assert len(rows) == 12
    assert sum(row["mask/iou"] != "" for row in rows) == sum(has_label(index, "mask") for index in range(12))


def test_half_of_all_labels_train_every_task(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    dataset = TINY["dataset"] | {"name": "tests.half_labelled.HalfLabelled", "train": 24, "test": 6}
    path = write_suite(tmp_path, dataset=dataset, tasks={key: {} for key in SEVEN})
    assert main([str(path), "--out", str(tmp_path / "runs")]) == 0
    run = tmp_path / "runs/tiny/tiny/seed-0"
    result = json.loads((run / "result.json").read_text())
    for ranked in result["ranked_by"]:
        assert result["test"][ranked["metric"]] is not None, ranked
    for task in SEVEN:
        assert sum(float(row[f"train/{task}/loss"]) > 0 for row in rows_of(run / "metrics.csv")) > 0
        assert (run / f"top3_best_{task}.png").exists()
    report = (tmp_path / "runs/tiny/report.html").read_text()
    assert "data:image/webp" in report
    assert "Class by class" in report
    pictures = {
        tag for tag in EventAccumulator(str(run)).Reload().Tags()["images"] if tag.startswith("test/")
    }
    assert pictures == {"test/semantic/confusion", "test/label/confusion", "test/label/calibration"}
    log = (run / "run.log").read_text()
    for words in (
        "semantic: confusion matrix, in pixels",
        "label: calibration",
        "parameters: ",
        "val/box/iou",
    ):
        assert words in log


def test_tensorboard_reads_scalars_pictures_and_hyperparameters(finished: Path) -> None:
    for run in finished.glob("*/seed-*"):
        events = EventAccumulator(str(run)).Reload()
        history = rows_of(run / "metrics.csv")
        for tag in ("train/loss", "val/mask/iou", "val/depth/mae", "learning_rate", "images_per_second"):
            assert [e.value for e in events.Scalars(tag)] == pytest.approx(
                [float(row[tag]) for row in history]
            )
        assert len(events.Tags()["images"]) == 4
        content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
        given = HParamsPluginData.FromString(content).session_start_info.hparams
        assert given["tasks.mask.loss"].string_value == f"{run.parent.name} weight=1.0"
        assert given["seed"].number_value == int(run.name.removeprefix("seed-"))


def test_finished_runs_are_skipped_and_this_is_told(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*.ckpt")}
    assert main([str(finished / "suite.yaml"), "--out", str(finished.parent)]) == 0
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*.ckpt")} == before
    assert "finished before and kept: 4 of 4 (--overwrite" in capsys.readouterr().err


def test_a_saved_config_repeats_its_run(finished: Path, tmp_path: Path) -> None:
    config = finished / "l1" / "seed-1" / "config.yaml"
    # Two jobs at a time, as before, so that sums are split over as many threads.
    assert main([str(config), "--out", str(tmp_path), "--jobs", "2"]) == 0
    assert_same_weights(finished / "l1" / "seed-1", tmp_path / "tiny" / "l1" / "seed-1")


def test_another_config_does_not_overwrite_results(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([str(finished / "suite.yaml"), "--out", str(finished.parent), "--set", "training.epochs=3"])
    assert code == 2
    message = capsys.readouterr().err
    assert "another config" in message
    assert "--overwrite" in message
    assert len(rows_of(finished / "bce" / "seed-0" / "metrics.csv")) == 2


def test_overwriting_waits_until_the_data_are_known_to_be_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_suite(tmp_path)
    command = [str(path), "--out", str(tmp_path / "runs"), "--overwrite"]
    assert main(command) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    assert main([*command, "--set", "dataset={name: fg_bg, root: /nowhere/at/all}"]) == 2
    assert "/nowhere/at/all" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()} == before


def test_a_failed_run_gives_way_to_a_corrected_config(tmp_path: Path) -> None:
    experiments = {"diverges": {"optimizer.learning_rate": 1e30, "training.clip_norm": None}, "fine": {}}
    path = write_suite(tmp_path, experiments=experiments, schedule="constant")
    assert main([str(path), "--out", str(tmp_path / "runs")]) == 1
    before = (tmp_path / "runs/tiny/fine/seed-0/result.json").stat().st_mtime_ns
    experiments["diverges"]["optimizer.learning_rate"] = 0.001
    path = write_suite(tmp_path, experiments=experiments, schedule="constant")
    assert main([str(path), "--out", str(tmp_path / "runs")]) == 0
    assert (tmp_path / "runs/tiny/fine/seed-0/result.json").stat().st_mtime_ns == before
    assert len(rows_of(tmp_path / "runs/tiny/diverges/seed-0/metrics.csv")) == 2


def test_weights_that_break_in_the_last_step_are_a_failure(tmp_path: Path) -> None:
    path = write_suite(
        tmp_path,
        optimizer={"name": "sgd", "learning_rate": 1e30},
        training={"epochs": 1, "batch_size": 16, "workers": 0},
        schedule="constant",
    )
    assert main([str(path), "--out", str(tmp_path / "runs")]) == 1
    (row,) = rows_of(tmp_path / "runs/tiny/results.csv")
    assert "on the validation split after epoch 1" in row["error"]


def test_what_a_loading_process_raises_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaking.py").write_text(
        "from torch.utils.data import get_worker_info\n"
        "from cnnlib.datasets import Scenes\n"
        "from cnnlib.types import CnnlibError\n"
        "class Broken:\n"
        "    def __init__(self, part): self.part = part\n"
        "    def __len__(self): return len(self.part)\n"
        "    def __getitem__(self, index):\n"
        "        if index == 7 and get_worker_info(): raise CnnlibError('scene 7: torn')\n"
        "        return self.part[index]\n"
        "class Breaking(Scenes):\n"
        "    def split(self, part): return Broken(super().split(part))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    dataset = TINY["dataset"] | {"name": "breaking.Breaking", "train": 48}
    path = write_suite(tmp_path, dataset=dataset, training=TINY["training"] | {"workers": 1})
    assert main([str(path), "--out", "runs"]) == 1
    (row,) = rows_of(tmp_path / "runs/tiny/results.csv")
    assert row["error"] == "CnnlibError: cnnlib.types.CnnlibError: scene 7: torn"


def test_one_failure_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiments = {
        "diverges": {"optimizer": {"name": "sgd", "learning_rate": 1e30}, "training.clip_norm": None},
        "fine": {},
    }
    path = write_suite(tmp_path, experiments=experiments)
    assert main([str(path), "--out", str(tmp_path / "runs")]) == 1
    failed, fine = rows_of(tmp_path / "runs" / "tiny" / "results.csv")
    assert (failed["experiment"], failed["status"]) == ("diverges", "failed")
    assert "optimizer.learning_rate" in failed["error"]
    assert (fine["experiment"], fine["status"]) == ("fine", "finished")
    assert "FAILED  diverges seed 0" in capsys.readouterr().out

    # The next call tries what failed again, and only that.
    before = (tmp_path / "runs/tiny/fine/seed-0/result.json").stat().st_mtime_ns
    assert main([str(path), "--out", str(tmp_path / "runs"), "--fail-fast"]) == 1
    assert (tmp_path / "runs/tiny/fine/seed-0/result.json").stat().st_mtime_ns == before


def test_fail_fast_stops_at_the_first_failure(tmp_path: Path) -> None:
    experiments = {
        "diverges": {"optimizer": {"name": "sgd", "learning_rate": 1e30}, "training.clip_norm": None},
        "fine": {},
    }
    path = write_suite(tmp_path, experiments=experiments)
    assert main([str(path), "--out", str(tmp_path / "runs"), "--fail-fast"]) == 1
    assert [row["experiment"] for row in rows_of(tmp_path / "runs" / "tiny" / "results.csv")] == ["diverges"]


def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path, project: Path) -> None:
    training = TINY["training"] | {"epochs": 4, "workers": 2}
    dataset = TINY["dataset"] | {"train": 160}
    path = write_suite(tmp_path, training=training, dataset=dataset)
    command = [sys.executable, "tools/run_suite.py", str(path), "--out", str(tmp_path / "killed")]
    process = subprocess.Popen(
        command, cwd=project, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in process.stderr:
        if "epoch 2/4" in line:  # epoch 3 has begun
            break
    time.sleep(0.1)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while (left := session_of(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left, "run, loader workers or fork server outlived the suite"
    process.stderr.close()
    run = Path("tiny", "tiny", "seed-0")
    assert not (tmp_path / "killed" / run / "result.json").exists()
    assert len(rows_of(tmp_path / "killed" / run / "metrics.csv")) < 4

    assert main([str(path), "--out", str(tmp_path / "killed")]) == 0
    assert main([str(path), "--out", str(tmp_path / "whole")]) == 0
    assert_same_weights(tmp_path / "killed" / run, tmp_path / "whole" / run)
    one, other = (
        json.loads((tmp_path / kind / run / "result.json").read_text()) for kind in ("killed", "whole")
    )
    assert one["test"] == other["test"]
    steps = [
        event.step
        for event in EventAccumulator(str(tmp_path / "killed" / run)).Reload().Scalars("train/loss")
    ]
    assert steps == [1, 2, 3, 4]
    one, other = (
        epochs_and_test((tmp_path / kind / run / "run.log").read_text()) for kind in ("killed", "whole")
    )
    assert [line[0] for line in one[0]] == ["epoch", "1", "2", "3", "4"]
    assert one == other


def epochs_and_test(log: str) -> tuple[list[list[str]], str]:
    """What ``run.log`` tells of each epoch, without its time, and of the test."""
    epochs, test = log.split("TRAINING\n")[1].split("TEST with")
    lines = [line.split()[:-1] for line in epochs.splitlines() if line and line[0] != "="]
    return lines, test.split("DURATION")[0]


def test_a_killed_suite_ends_with_the_table_of_an_unbroken_one(tmp_path: Path, project: Path) -> None:
    """Killed while two of its runs are finished and two are under way: nothing is run twice."""
    experiments = {"bce": {}, "l1": {"tasks.mask.loss": "l1"}, "dice": {"tasks.mask.loss": "dice"}}
    training = TINY["training"] | {"epochs": 3}
    path = write_suite(tmp_path, seeds=[0, 1], experiments=experiments, training=training)
    command = [sys.executable, "tools/run_suite.py", str(path), "--jobs", "2"]
    killed = tmp_path / "killed" / "tiny"
    process = subprocess.Popen(
        [*command, "--out", str(killed.parent)],
        cwd=project,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(done := list(killed.glob("*/*/result.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    while session_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    before = {path: path.stat().st_mtime_ns for path in killed.glob("*/*/result.json")}
    assert set(done) <= before.keys()
    assert 2 <= len(before) < 6

    for out in ("killed", "whole"):
        assert main([*command[2:], "--out", str(tmp_path / out)]) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for run in killed.glob("*/seed-*"):
        epochs = [event.step for event in EventAccumulator(str(run)).Reload().Scalars("train/loss")]
        assert epochs == [1, 2, 3]  # none twice
    measured = {"seconds", "images_per_second", "peak_memory_mib"}
    one, other = (
        [
            {key: value for key, value in row.items() if key not in measured}
            for row in rows_of(suite / "results.csv")
        ]
        for suite in (killed, tmp_path / "whole" / "tiny")
    )
    assert len(one) == 6
    assert one == other
    summaries = [(suite / "summary.csv").read_text() for suite in (killed, tmp_path / "whole" / "tiny")]
    assert summaries[0] == summaries[1]


def test_a_dry_run_lists_what_is_left_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_suite(tmp_path, seeds=[0, 1], experiments={"bce": {}, "l1": {"tasks.mask.loss": "l1"}})
    command = [str(path), "--out", str(tmp_path / "runs"), "--jobs", "2"]
    assert main([*command, "--dry-run"]) == 0
    fresh = capsys.readouterr().out
    assert cells_of(fresh, "bce")[:3] == cells_of(fresh, "l1")[:3] == ["0", "2", "4"]
    assert "to do: 4, 2 at a time, in about " in fresh
    assert not (tmp_path / "runs").exists()

    assert main(command) == 0
    (tmp_path / "runs/tiny/l1/seed-1/result.json").unlink()  # as if killed after its last epoch
    shutil.rmtree(tmp_path / "runs/tiny/l1/seed-0")
    before = sorted((tmp_path / "runs").rglob("*"))
    capsys.readouterr()
    assert main([*command, "--dry-run"]) == 0
    broken = capsys.readouterr().out
    assert cells_of(broken, "bce") == ["2", "0", "0"]
    assert cells_of(broken, "l1")[:3] == ["0", "2", "2"]
    assert main([*command, "--dry-run", "--overwrite"]) == 0
    assert "to do: 4" in capsys.readouterr().out
    assert sorted((tmp_path / "runs").rglob("*")) == before


def cells_of(printed: str, experiment: str) -> list[str]:
    """The cells that follow the experiment's name."""
    (line,) = [line for line in printed.splitlines() if experiment in line.replace("│", " ").split()]
    return line.replace("│", " ").split()[1:]


def test_a_dry_run_tells_what_cannot_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_suite(
        tmp_path,
        optimizer={"name": "sgd", "learning_rate": 1e30},
        training=TINY["training"] | {"clip_norm": None},
    )
    assert main([str(path), "--out", str(tmp_path / "runs"), "--dry-run"]) == 2
    assert "tiny: its trial failed: TrainingDivergedError" in capsys.readouterr().err


def test_a_dry_run_may_be_longer_than_the_run(tmp_path: Path) -> None:
    """A one-cycle schedule has only so many steps."""
    path = write_suite(tmp_path, training=TINY["training"] | {"epochs": 1, "batch_size": 8})
    assert main([str(path), "--out", str(tmp_path / "runs"), "--dry-run"]) == 0


def test_a_dry_run_estimates_what_a_run_takes(tmp_path: Path) -> None:
    """Within a factor that no noise of a machine explains, so that a wrong unit or a forgotten split is found."""
    from cnnlib.config import load_suite
    from cnnlib.suite import forecast_suite

    path = write_suite(
        tmp_path, dataset=TINY["dataset"] | {"train": 240}, training=TINY["training"] | {"epochs": 4}
    )
    (forecast,) = forecast_suite(load_suite(path), tmp_path / "runs")
    assert main([str(path), "--out", str(tmp_path / "runs")]) == 0
    taken = json.loads((tmp_path / "runs/tiny/tiny/seed-0/result.json").read_text())["seconds"]
    assert taken / 4 < forecast.seconds < taken * 4


def test_code_of_ones_own_runs_from_data_to_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set, a task and losses that stand in the working directory, by their dotted path."""
    (tmp_path / "mine.py").write_text(
        "from cnnlib.datasets import Scenes\n"
        "from cnnlib.losses import BCELoss, DiceLoss\n"
        "from cnnlib.tasks import MaskTask\n"
        "class MyScenes(Scenes): ...\n"
        "class MyMask(MaskTask): ...\n"
        "class MyBCE(BCELoss): ...\n"
        "class MyDice(DiceLoss): ...\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = write_suite(
        tmp_path,
        dataset=TINY["dataset"] | {"name": "mine.MyScenes"},
        tasks={"mask": {"name": "mine.MyMask", "loss": ["mine.MyBCE", "mine.MyDice"]}},
        experiments={"two": {}, "one": {"tasks.mask.loss": "mine.MyDice"}},
    )
    assert main([str(path), "--out", "runs"]) == 0
    suite = tmp_path / "runs" / "tiny"
    assert {"train/mask/loss/mine.MyDice", "val/mask/loss/mine.MyDice"} <= rows_of(
        suite / "two/seed-0/metrics.csv"
    )[0].keys()
    assert (suite / "report.html").read_text().count(
        "data:image/webp"
    ) > 10  # pictures were decoded by MyMask


def test_two_suites_do_not_write_into_one_folder(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import fcntl

    with (finished / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main([str(finished / "suite.yaml"), "--out", str(finished.parent)]) == 2
    assert "another suite is running" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tasks": {"mask": {"loss": "dise"}}}, "dice"),
        ({"optimizer": {"name": "adamw", "learning_rat": 0.1}}, "learning_rate"),
        ({"dataset": TINY["dataset"] | {"size": 4}}, "size"),
        ({"dataset": {"name": "fg_bg", "root": "/nowhere/at/all"}}, "/nowhere/at/all"),
        ({"grid": {}}, "grid"),
        ({"dataset": TINY["dataset"] | {"train": 0}}, "its train split is empty"),
        ({"dataset": TINY["dataset"] | {"val": 0}}, "its val split is empty"),
        ({"dataset": TINY["dataset"] | {"test": 0}}, "its test split is empty"),
        ({"tasks": {"depth": {"max_depth": 0.5}}}, "tasks.depth: "),
        ({"dataset": TINY["dataset"] | {"size": 1_000_000}}, "dataset.size: must be at most 2048"),
        (
            {"dataset": {"name": "fg_bg", "root": "~nobody-at-all/x"}},
            "root: '~nobody-at-all/x' cannot be a path",
        ),
        (
            {"dataset": TINY["dataset"] | {"cache_dir": "~nobody-at-all/x"}},
            "cache_dir: '~nobody-at-all/x' cannot",
        ),
        ({"model": {"name": "resunet", "widths": [4, 2**31]}}, "model: "),
        ({"model": {"name": "resunet", "widths": [4, 2**62]}}, "model: cannot be built: "),
        (
            {"model": {"name": "resunet", "widths": [4, 2**20]}},
            "parameters; no more than 10,000,000,000 are built",
        ),
        ({"schedule": "torch.nn.Module"}, "schedule: 'torch.nn.Module' cannot serve as a schedule"),
        ({"experiments": {"Results.csv": {}}}, "an experiment cannot be called 'Results.csv'"),
    ],
)
def test_bad_configs_end_with_2_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict, expected: str
) -> None:
    path = write_suite(tmp_path, **changes)
    assert main([str(path), "--out", str(tmp_path / "runs")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert expected in message
    assert "Traceback" not in message
    assert not list((tmp_path / "runs").rglob("*.ckpt"))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main([str(write_suite(tmp_path)), "--out", str(tmp_path / "file")]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_run_whose_folder_is_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runs/tiny").mkdir(parents=True)
    (tmp_path / "runs/tiny/tiny").write_text("")
    assert main([str(write_suite(tmp_path)), "--out", str(tmp_path / "runs")]) == 2
    message = capsys.readouterr().err
    assert "runs/tiny/tiny" in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parent.parent.glob("configs/*.yaml")), ids=lambda path: path.stem
)
def test_shipped_configs_are_sound(path: Path) -> None:
    from cnnlib.config import load_suite

    assert load_suite(path).name == path.stem
