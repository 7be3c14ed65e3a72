"""A suite's folder as it is found: whole, half finished, or broken."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlib.reporting.results import read_suite
from cnnlib.reporting.run_files import read_yaml
from cnnlib.reporting.suite_files import write_suite_files
from cnnlib.tasks import DepthTask
from cnnlib.types import CnnlibError
from tests.reporting.fake_suite import fail, write_suite

BOMB = "a0: &a0 [x]\n" + "\n".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 9)
)
"""400 bytes that stand for 43 million values."""


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
        ("suite.yaml", "[" * 100_000, "not valid YAML .line 1, column 51: nested too deeply"),
        ("suite.yaml", BOMB, "not valid YAML .line 2, column 10: an alias"),
        ("suite.yaml", "{name: x, experiments: {../../a: {}}, seeds: [0]}", "no folder can be called"),
    ],
)
def test_a_damaged_suite_is_named(folder: Path, file: str, content: str | None, message: str) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(CnnlibError, match=message):
        read_suite(folder)


def _result(**changes: Any) -> bytes:
    result = {
        "status": "finished",
        "experiment": "bce",
        "seed": 0,
        "test": {},
        "constant": {},
        "ranked_by": [],
    }
    return json.dumps(result | {"seconds": 1} | changes).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "result.json: not valid JSON"),
        (b"\xff", "result.json: not valid JSON .'utf-8' codec"),
        (b"[" * 100_000, "result.json: not valid JSON .nested too deeply.; delete it"),
        (b"[]", "result.json: says nothing of a status; delete it"),
        (b'{"status": "finished", "experiment": 3, "seed": 0}', "does not say whose numbers it holds"),
        (b'{"status": "finished", "experiment": "bce", "seed": 0, "test": {}}', "constant: Field required"),
        (_result(test={"a": "high"}), "test.a: .*number"),
        (_result(ranked_by=["mask/iou"]), "ranked_by.0: "),
        (_result(seconds=None), "seconds: "),
        (_result(by_class=3), "damaged .by_class"),
    ],
    ids=repr,
)
def test_a_run_without_its_result_is_unfinished(folder: Path, content: bytes, message: str) -> None:
    (folder / "bce" / "seed-0" / "result.json").write_bytes(content)
    suite = read_suite(folder)
    (run,) = suite.unfinished
    assert (run.experiment, run.seed) == ("bce", 0)
    assert re.search(message, run.error)
    assert len(suite.runs) == 3
    assert message.split()[0].split(":")[0] in write_suite_files(suite).read_text()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("metrics.csv", b"epoch,val/loss\n1\n", "metrics.csv: row 2 does not have"),
        ("metrics.csv", b"epoch,val/loss\n1,high\n", "metrics.csv: 'high' is not a number"),
        ("metrics.csv", b"val/loss\n1\n", "metrics.csv: has no row with the column epoch"),
        ("metrics.csv", b"epoch,\x00\n" + b"9" * 200_000, "metrics.csv: not a table"),
        ("per_image.csv", b"name,mask/iou\na,0.5,7\n", "per_image.csv: row 2 does not have"),
        ("per_image.csv", b"group,mask/iou\na,0.5\n", "per_image.csv: has no row with the column name"),
        ("per_image.csv", b"\xff\xfe", "per_image.csv: not a text file in UTF-8"),
        ("config.yaml", b"[" * 100_000, "config.yaml: not valid YAML"),
        ("config.yaml", BOMB.encode(), "config.yaml: not valid YAML (line 2, column 10: an alias"),
        ("config.yaml", b"\xff\xfe", "config.yaml: not a text file"),
        ("config.yaml", b"experiments: [1]\ntasks: 3", "config.yaml: tasks must be a mapping"),
        ("config.yaml", b"tasks: {mask: [1]}", "config.yaml: tasks must be a mapping"),
        ("config.yaml", b"tasks: {mask: {name: maks}}", "config.yaml: tasks.mask: no task is named 'maks'"),
        ("data.json", b"{", "data.json: damaged"),
        ("data.json", b"[" * 100_000, "data.json: damaged"),
    ],
    ids=str,
)
def test_a_damaged_file_is_named_and_the_rest_is_shown(
    folder: Path, file: str, content: bytes, message: str
) -> None:
    (folder / "bce" / "seed-0" / file).write_bytes(content)
    suite = read_suite(folder)
    assert len(suite.runs) == 4
    (line,) = suite.missing
    assert line.startswith("bce, seed 0: ")
    assert message in line
    assert message.partition("'")[0] in write_suite_files(suite).read_text()


def test_damaged_predictions_are_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "s", images=4, size=8, persister="folder")
    damaged = folder / "bce" / "seed-0" / "predictions" / "mask" / "scene-000.png"
    damaged.write_bytes(b"no picture")
    page = write_suite_files(read_suite(folder)).read_text()
    assert "mask/scene-000.png: cannot be read" in page
    assert page.count("data:image/") > 10


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    """Neither is a file of one's own shown to others, nor one replaced."""
    folder = write_suite(tmp_path / "s", images=4, size=8, persister="folder")
    own = tmp_path / "own.png"
    picture = folder / "bce" / "seed-0" / "predictions" / "mask" / "scene-000.png"
    own.write_bytes(picture.read_bytes())
    picture.unlink()
    picture.symlink_to(own)
    for name in ("report.html", "summary.csv"):
        (tmp_path / name).write_text("one's own")
        (folder / name).symlink_to(tmp_path / name)
    suite = read_suite(folder)
    write_suite_files(suite)
    assert suite.runs[0].predictions.read("mask", "scene-000") is None
    assert {(tmp_path / name).read_text() for name in ("report.html", "summary.csv")} == {"one's own"}


def test_yaml_words_stay_words(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("on: {no: 1e-3}")
    assert read_yaml(tmp_path / "a.yaml") == {"on": {"no": "1e-3"}}


def test_images_without_a_label_are_counted(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path / "s", images=5, size=8, unlabelled={"mask": [0, 3]}))
    assert (len(suite.groups), suite.measured("mask/iou"), suite.measured("depth/mae")) == (5, 3, 5)


def test_metrics_are_explained_by_their_tasks(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path / "s", images=2, size=8))
    assert suite.explanations["depth/mae"] == suite.tasks["depth"].metric().explanations["mae"]
