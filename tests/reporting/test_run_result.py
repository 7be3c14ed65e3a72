"""A run's folder: its numbers, its tasks, and what it saved."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.predictions import FolderPersister
from cnnlib.reporting.results import read_suite
from cnnlib.reporting.saved_predictions import SavedPredictions
from cnnlib.tasks.saved import DataDescription, build_tasks, read_data, write_data
from cnnlib.types import CnnlibError, Predicted, Target, TargetInfo
from tests.reporting.fake_suite import TARGETS, scene, write_suite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_suite(
        tmp_path / "joint", experiments={"bce": 0.0, "on": 0.3}, seeds=(0, 4), images=4, size=8
    )


def test_the_runs_own_section_of_its_config_counts(folder: Path) -> None:
    run = read_suite(folder).runs[0]
    (run.folder / "config.yaml").write_text(
        "tasks: {mask: {name: mask}}\nexperiments: {bce: {tasks: {depth: {name: depth, max_depth: 40.0, loss: []}}}}\n"
    )
    assert list(run.tasks) == ["depth"]
    assert run.tasks["depth"].max_depth == 40.0


def test_undefined_numbers_are_nan(folder: Path) -> None:
    path = folder / "bce" / "seed-0" / "result.json"
    result = json.loads(path.read_text())
    result["test"]["mask/precision"] = None
    path.write_text(json.dumps(result))
    assert np.isnan(read_suite(folder).runs[0].test["mask/precision"])


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("{mask: {name: maks}}", "tasks.mask: no task is named 'maks' .did you mean 'mask'"),
        ("{mask: {name: mask, size: 3}}", "tasks.mask: .*unexpected keyword argument 'size'"),
        ("{edges: {name: mask}}", "tasks.edges: the data have no such target; they have mask, depth"),
    ],
)
def test_a_task_that_cannot_be_built_is_named(folder: Path, tasks: str, message: str) -> None:
    run = read_suite(folder).runs[0]
    (run.folder / "config.yaml").write_text(f"tasks: {tasks}")
    with pytest.raises(CnnlibError, match=message):
        _ = run.tasks


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
    value, valid = run.target("depth", "scene-001")
    assert 2.0 < float(value.min()) < float(value.max()) <= 8.0
    assert valid.all()
    assert run.picture("scene-001").shape == (3, 8, 8)
    assert run.target("depth", "nothing") is run.prediction("depth", "nothing") is None
    assert run.predictions.read("mask", "nothing") is None


def test_damaged_predictions_are_named(tmp_path: Path) -> None:
    assert len(SavedPredictions(tmp_path)) == 0
    (tmp_path / "mask").mkdir()
    (tmp_path / "mask" / "a.png").write_bytes(b"no picture")
    (tmp_path / "box.csv").write_text("name,xmin\na,1,2\n")
    saved = SavedPredictions(tmp_path)
    assert saved.read("mask", "a") is saved.read("box", "a") is None
    assert re.search(r"mask/a\.png: cannot be read", saved.errors[0])
    assert re.search(r"box\.csv: cannot be read .*row 2", saved.errors[1])
    (tmp_path / "predictions.zip").write_bytes(b"no archive")
    saved = SavedPredictions(tmp_path)
    assert len(saved) == 0
    assert re.search(r"predictions\.zip: cannot be read", saved.errors[0])


@pytest.mark.parametrize("persister", ["folder", "zip"])
def test_predictions_and_targets_of_every_kind_are_read_back(tmp_path: Path, persister: str) -> None:
    folder = write_suite(
        tmp_path / "s",
        experiments={"a": -2.0},
        seeds=(0,),
        tasks=tuple(TARGETS),
        images=2,
        size=16,
        persister=persister,
        unlabelled={"points": [1], "semantic": [1]},
    )
    run = read_suite(folder).runs[0]
    whole = scene(0, 16)
    for key, task in run.tasks.items():
        value, valid = run.target(key, "scene-000")
        assert value.dtype == whole[key].value.dtype
        assert torch.equal(valid, whole[key].valid)
        torch.testing.assert_close(value, whole[key].value, atol=0.01, rtol=0)
        prediction = run.prediction(key, "scene-000")
        assert prediction.shape == task.as_prediction(value).shape
        assert not torch.equal(prediction, task.as_prediction(value))
    assert run.target("points", "scene-001") is run.target("semantic", "scene-001") is None
    assert run.predictions.names("points") == ["scene-000", "scene-001"]


def test_what_is_not_valid_is_read_back_as_not_valid(tmp_path: Path) -> None:
    """A pixel of a map has a mask of its own, a point that is not seen is an empty cell."""
    tasks = build_tasks({"depth": {}, "points": {}}, TARGETS)
    whole = scene(0, 16)
    targets = {key: Target(whole[key].value, whole[key].valid.clone()) for key in tasks}
    targets["depth"].valid[0, 3, 5] = targets["points"].valid[1] = False
    folder = write_suite(
        tmp_path / "s", experiments={"a": 0.0}, seeds=(0,), tasks=tuple(tasks), images=1, size=16
    )
    run = read_suite(folder).runs[0]
    sink = FolderPersister(run.folder / "predictions", tasks, {"bg": 3, "fg_bg": 3})
    predictions = {key: task.as_prediction(whole[key].value) for key, task in tasks.items()}
    sink.write(Predicted("scene-000", torch.rand(6, 16, 16), predictions, targets))
    sink.close()
    for key in tasks:
        value, valid = run.target(key, "scene-000")
        assert torch.equal(valid, targets[key].valid)
        assert value.isfinite().all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "missing; run the experiment again"),
        ("{", "damaged .*JSON"),
        ('{"inputs": {"bg": 3}, "targets": {"a": {}}, "size": 3}', "damaged .targets.a.kind: Field required"),
        ('{"inputs": {}, "targets": {}, "size": 3}', "damaged .inputs: "),
        ('{"inputs": {"bg": 0}, "targets": {}, "size": 3}', "damaged .inputs.bg: "),
        ('{"inputs": {"bg": 3}, "targets": {}, "size": -3}', "damaged .size: "),
    ],
)
def test_a_damaged_description_of_the_data_is_named(folder: Path, content: str | None, message: str) -> None:
    run = read_suite(folder).runs[0]
    path = run.folder / "data.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(CnnlibError, match=rf"data\.json: {message}"):
        _ = run.tasks


@given(
    st.builds(
        DataDescription,
        st.dictionaries(st.text(max_size=5), st.integers(1, 9), min_size=1, max_size=3),
        st.dictionaries(
            st.text(max_size=5),
            st.builds(
                TargetInfo,
                st.text(max_size=5),
                st.lists(st.text(max_size=5)).map(tuple),
                st.lists(st.integers(0, 9)).map(tuple),
                st.text(max_size=5),
                st.booleans(),
            ),
            max_size=3,
        ),
        st.none() | st.integers(1, 999),
    )
)
def test_the_description_of_the_data_is_read_back_as_it_was(data: DataDescription) -> None:
    with TemporaryDirectory() as folder:
        write_data(data, Path(folder))
        assert read_data(Path(folder)) == data
