"""A suite's folder as it is found: whole, half finished, or broken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cnnlib.reporting.reader import SavedPredictions, read_suite, read_yaml
from cnnlib.tasks import DepthTask
from cnnlib.types import CnnlibError
from tests.reporting.fake_suite import fail, write_suite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_suite(
        tmp_path / "joint", experiments={"bce": 0.0, "on": 0.3}, seeds=(0, 4), images=4, size=8
    )


def test_everything_is_read(folder: Path) -> None:
    suite = read_suite(folder)
    assert (suite.name, suite.baseline, suite.experiments) == ("joint", "bce", ("bce", "on"))
    assert [(run.experiment, run.seed) for run in suite.runs] == [
        ("bce", 0),
        ("bce", 4),
        ("on", 0),
        ("on", 4),
    ]
    assert suite.missing == suite.failed == ()
    assert suite.ranked_by == {"mask/iou": True, "depth/mae": False}
    run = suite.runs[2]
    assert run.test["mask/iou"] == pytest.approx(np.mean(list(run.per_image["mask/iou"].values())))
    assert list(run.history["epoch"]) == list(range(1, 9))
    assert isinstance(run.tasks["depth"], DepthTask)
    assert run.tasks["depth"].max_depth == 10.0


def test_the_runs_own_section_of_its_config_counts(folder: Path) -> None:
    run = read_suite(folder).runs[0]
    (run.folder / "config.yaml").write_text(
        "tasks: {mask: {name: mask}}\nexperiments: {bce: {tasks: {far: {name: depth, max_depth: 40.0, loss: []}}}}\n"
    )
    assert list(run.tasks) == ["far"]
    assert run.tasks["far"].max_depth == 40.0


def test_what_failed_or_is_missing_is_told(folder: Path) -> None:
    fail(folder, "bce", 4, "no memory left")
    (folder / "on" / "seed-0" / "result.json").unlink()
    (folder / "on" / "seed-4" / "metrics.csv").unlink()
    (folder / "on" / "seed-4" / "per_image.csv").unlink()
    suite = read_suite(folder)
    assert [(run.experiment, run.seed, run.error) for run in suite.failed] == [("bce", 4, "no memory left")]
    assert suite.missing[0] == "on, seed 0: not finished (no result.json in on/seed-0)"
    assert "on, seed 4: no metrics.csv" in suite.missing[1]
    assert "on, seed 4: no per_image.csv" in suite.missing[2]
    assert [(run.experiment, run.seed) for run in suite.runs] == [("bce", 0), ("on", 4)]


def test_undefined_numbers_are_nan(folder: Path) -> None:
    path = folder / "bce" / "seed-0" / "result.json"
    result = json.loads(path.read_text())
    result["test"]["mask/precision"] = None
    path.write_text(json.dumps(result))
    assert np.isnan(read_suite(folder).runs[0].test["mask/precision"])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("suite.yaml", None, "no suite.yaml; give a suite's folder"),
        ("suite.yaml", "a: [", "not valid YAML"),
        ("suite.yaml", "- a", "must hold a mapping; it holds list"),
        ("suite.yaml", "name: x", "needs name, experiments and seeds"),
        ("suite.yaml", "{name: x, experiments: {a: {}}, seeds: [one]}", "needs name, experiments and seeds"),
        ("suite.yaml", "{name: x, experiments: {}, seeds: [0]}", "needs name, experiments and seeds"),
        ("bce/seed-0/result.json", "{", "result.json: not valid JSON"),
        ("bce/seed-0/result.json", "[]", "must hold a JSON object"),
        (
            "bce/seed-0/result.json",
            '{"status": "finished", "test": {}}',
            "lacks mean_image, ranked_by, seconds",
        ),
        ("bce/seed-0/metrics.csv", "epoch,val/loss\n1\n", "metrics.csv: row 2 does not have"),
        ("bce/seed-0/metrics.csv", "epoch,val/loss\n1,high\n", "metrics.csv: 'high' is not a number"),
        ("bce/seed-0/per_image.csv", "name,mask/iou\na,0.5,7\n", "per_image.csv: row 2 does not have"),
    ],
)
def test_a_damaged_file_is_named(folder: Path, file: str, content: str | None, message: str) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(CnnlibError, match=message):
        read_suite(folder)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("{mask: {name: maks}}", "tasks.mask: no task is named 'maks' .did you mean 'mask'"),
        ("{mask: {name: mask, size: 3}}", "tasks.mask: MaskTask.. takes no arguments"),
    ],
)
def test_a_task_that_cannot_be_built_is_named(folder: Path, tasks: str, message: str) -> None:
    run = read_suite(folder).runs[0]
    (run.folder / "config.yaml").write_text(f"tasks: {tasks}")
    with pytest.raises(CnnlibError, match=message):
        _ = run.tasks


def test_yaml_words_stay_words(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("on: {no: 1e-3}")
    assert read_yaml(tmp_path / "a.yaml") == {"on": {"no": "1e-3"}}


@pytest.mark.parametrize("persister", ["folder", "zip"])
def test_predictions_are_found_in_either_form(tmp_path: Path, persister: str) -> None:
    folder = write_suite(
        tmp_path / "s", experiments={"a": 0.0}, seeds=(0,), images=3, size=8, persister=persister
    )
    run = read_suite(folder).runs[0]
    assert (
        run.predictions.names("mask")
        == run.predictions.names("truth", "depth")
        == [f"scene-00{i}" for i in range(3)]
    )
    assert run.predictions.inputs() == ["bg", "fg_bg"]
    truth = run.tasks["depth"].from_file(run.predictions.read("truth", "depth", "scene-001"))
    assert 2.0 < float(truth.min()) < float(truth.max()) <= 8.0
    assert run.predictions.read("mask", "nothing") is None


def test_damaged_predictions_are_named(tmp_path: Path) -> None:
    assert len(SavedPredictions(tmp_path)) == 0
    (tmp_path / "mask").mkdir()
    (tmp_path / "mask" / "a.png").write_bytes(b"no picture")
    with pytest.raises(CnnlibError, match=r"mask/a\.png cannot be read"):
        SavedPredictions(tmp_path).read("mask", "a")
    (tmp_path / "predictions.zip").write_bytes(b"no archive")
    with pytest.raises(CnnlibError, match=r"predictions\.zip: damaged"):
        SavedPredictions(tmp_path)
