"""A suite's folder as it is found: whole, half finished, or broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cnnlib.reporting.results import read_suite
from cnnlib.reporting.run_files import read_yaml
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
    assert suite.missing == []
    assert suite.unfinished == ()
    assert suite.ranked_by == {"mask/iou": True, "depth/mae": False}
    run = suite.runs[2]
    assert run.test["mask/iou"] == pytest.approx(np.mean(list(run.per_image["mask/iou"].values())))
    assert list(run.history["epoch"]) == list(range(1, 9))
    assert isinstance(run.tasks["depth"], DepthTask)
    assert run.tasks["depth"].max_depth == 10.0


def test_what_failed_or_is_missing_is_reported(folder: Path) -> None:
    fail(folder, "bce", 4, "no memory left")
    (folder / "on" / "seed-0" / "result.json").unlink()
    (folder / "on" / "seed-4" / "metrics.csv").unlink()
    (folder / "on" / "seed-4" / "per_image.csv").unlink()
    suite = read_suite(folder)
    assert [(run.experiment, run.seed, run.error) for run in suite.unfinished] == [
        ("bce", 4, "no memory left"),
        ("on", 0, None),
    ]
    assert suite.missing[0] == "on, seed 0: not finished (no result.json in on/seed-0)"
    assert "on, seed 4: no metrics.csv" in suite.missing[1]
    assert "on, seed 4: no per_image.csv" in suite.missing[2]
    assert [(run.experiment, run.seed) for run in suite.runs] == [("bce", 0), ("on", 4)]


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
        ("bce/seed-0/result.json", "[]", "must hold a mapping; it holds list; delete it"),
        (
            "bce/seed-0/result.json",
            '{"status": "finished", "test": {}}',
            "lacks constant, ranked_by, seconds",
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


def test_yaml_words_stay_words(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("on: {no: 1e-3}")
    assert read_yaml(tmp_path / "a.yaml") == {"on": {"no": "1e-3"}}


def test_images_without_a_label_are_counted(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path / "s", images=5, size=8, unlabelled={"mask": [0, 3]}))
    assert (len(suite.groups), suite.measured("mask/iou"), suite.measured("depth/mae")) == (5, 3, 5)


def test_metrics_are_explained_by_their_tasks(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path / "s", images=2, size=8))
    assert suite.explanations["depth/mae"] == suite.tasks["depth"].metric().explanations["mae"]
