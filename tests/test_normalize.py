"""dataset.normalize: auto, from the training split's pixels to a prediction on a new picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlib.assembly import open_data
from cnnlib.assembly.normalize import training_statistics
from cnnlib.config import load_suite
from cnnlib.datasets.composites.source import CompositeSplit
from cnnlib.inference import load_run
from cnnlib.models.standardization import channel_statistics_of
from cnnlib.suite import run_suite
from cnnlib.types import CnnlibError
from tests.datasets.composites.made_pictures import write_pictures
from tests.datasets.pictures import PARTS, disc, photo, save, write_csv
from tests.tiny_suite import write_suite
from tools.cache import main as cache_tool


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark pictures to train on, bright ones to test on."""
    folder = tmp_path_factory.mktemp("data")
    for part, factor in zip(PARTS, (0.4, 0.7, 1.0), strict=True):
        for number in range(6):
            picture = (photo(10 * PARTS.index(part) + number) * factor).astype(np.uint8)
            save(picture, folder / "photo" / part / f"{number}.png")
            save(disc(), folder / "mask" / part / f"{number}.png")
    return folder


_WITHOUT_NUMBERS = '{"mean": [0.5, 0.5, NaN], "std": [1, 1, 1]}'
_NEGATIVE = '{"mean": [0.5, 0.5, 0.5], "std": [1, -1, 1]}'


def suite_file(folder: Path, root: Path, **changes: object) -> Path:
    dataset = {
        "name": "folders",
        "root": str(root),
        "size": 16,
        "normalize": "auto",
        "inputs": {"image": "photo"},
    }
    dataset |= {"targets": {"mask": "mask"}, "splits": {part: part for part in PARTS}}
    tasks = {"mask": {"loss": "bce"}}
    training = {"epochs": 1, "batch_size": 3, "workers": 0, "ema_decay": 0.5}
    return write_suite(folder, **{"dataset": dataset, "tasks": tasks, "training": training, **changes})


def test_a_run_keeps_the_training_splits_statistics_and_predicts_with_them(
    tmp_path: Path, root: Path
) -> None:
    suite = load_suite(suite_file(tmp_path, root))
    run_suite(suite, tmp_path)
    folder = tmp_path / "tiny" / "tiny" / "seed-0"
    train = open_data(suite.experiments["tiny"], 0).all_train
    pixels = np.concatenate([train[i]["image"].numpy().reshape(3, -1) for i in range(len(train))], 1)
    result = json.loads((folder / "result.json").read_text())
    np.testing.assert_allclose(result["normalize"]["mean"], pixels.mean(1, dtype=np.float64), atol=1e-6)
    np.testing.assert_allclose(result["normalize"]["std"], pixels.std(1, dtype=np.float64), atol=1e-6)
    run = load_run(folder)
    assert channel_statistics_of(run.model) == result["normalize"]
    image = torch.rand(3, 16, 16)
    with_statistics = run.predict(image)["mask"]
    run.model.image_mean.zero_()
    assert not torch.allclose(run.predict(image)["mask"], with_statistics)


def test_files_are_read_once_and_again_when_they_change(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNLIB_CACHE", str(tmp_path / "cache"))
    config = load_suite(suite_file(tmp_path, root)).experiments["tiny"]
    data = open_data(config, 0)
    first = training_statistics(config, data, 0)
    (kept,) = (tmp_path / "cache" / "statistics").iterdir()
    monkeypatch.setattr(type(data.source._samples), "__getitem__", None)
    assert training_statistics(config, data, 0) == first
    monkeypatch.undo()
    monkeypatch.setenv("CNNLIB_CACHE", str(tmp_path / "cache"))
    whole = kept.read_text()
    for damaged in (
        whole.replace("0.", "0.9", 1),
        "[" * 10**5,
        "{",
        "[]",
        '{"mean": [], "std": []}',
        '{"mean": null, "std": null}',
        _WITHOUT_NUMBERS,
        _NEGATIVE,
    ):
        kept.write_text(damaged)
        assert training_statistics(config, data, 0) == first
        assert json.loads(kept.read_text())["mean"] == first.mean
    path = root / "photo" / "train" / "0.png"
    before = path.read_bytes()
    save(photo(77), path)
    assert training_statistics(config, data, 0) != first
    path.write_bytes(before)


@pytest.mark.parametrize("folds", [None, 3])
def test_of_samples_that_tell_no_files_the_options_and_the_fold_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folds: int | None
) -> None:
    monkeypatch.setenv("CNNLIB_CACHE", str(tmp_path / "cache"))
    pictures = write_pictures(tmp_path)
    dataset = {"name": "composite", "foregrounds": str(pictures / "fg"), "backgrounds": str(pictures / "bg")}
    dataset |= {"size": 16, "positions": 1, "normalize": "auto", "apart": ["background"], "folds": folds}
    path = write_suite(tmp_path, dataset=dataset, tasks={"mask": {"loss": "bce"}})
    config = load_suite(path).experiments["tiny"]
    first, second = (training_statistics(config, open_data(config, seed), seed) for seed in (0, 1))
    assert (first == second) == (folds is None)
    monkeypatch.setattr(CompositeSplit, "__getitem__", None)
    assert training_statistics(config, open_data(config, 0), 0) == first
    monkeypatch.undo()
    monkeypatch.setenv("CNNLIB_CACHE", str(tmp_path / "cache"))
    for picture in (pictures / "bg").iterdir():
        Image.new("RGB", (80, 64), "white").save(picture)
    data = open_data(config, 0)
    assert training_statistics(config, data, 0).mean[0] > 0.9


def test_what_decides_which_part_of_a_picture_is_shown_counts_too(tmp_path: Path, root: Path) -> None:
    """The table of points says where pictures are cut."""
    picture = np.zeros((80, 80, 3), np.uint8)
    picture[:40] = 255
    rows = [("", *map(str, range(4)))]
    for number in range(12):
        save(picture, tmp_path / "data" / f"{number}.png")
        rows.append((f"{number}.png", "2", "2", "20", "20"))

    def mean(corner: int) -> float:
        moved = [(name, *(str(int(value) + corner) for value in values)) for name, *values in rows[1:]]
        write_csv(tmp_path / "points.csv", rows[0], *moved)
        dataset = {"name": "keypoints", "root": str(tmp_path), "images": "data", "annotations": "points.csv"}
        dataset |= {"crop": "points", "size": 16, "normalize": "auto", "names": ["a", "b"]}
        tasks = {"points": {}}
        config = load_suite(write_suite(tmp_path, dataset=dataset, tasks=tasks)).experiments["tiny"]
        return training_statistics(config, open_data(config, 0), 0).mean[0]

    assert mean(0) > 0.5
    assert mean(50) < 0.1


def test_the_channel_statistics_that_are_kept_are_seen_and_cleaned_up(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CNNLIB_CACHE", str(tmp_path / "cache"))
    config = load_suite(suite_file(tmp_path, root)).experiments["tiny"]
    training_statistics(config, open_data(config, 0), 0)
    assert cache_tool([]) == 0
    shown = capsys.readouterr().out
    assert any(line.split()[0] == "statistics" for line in shown.splitlines())
    assert "1 entries" in shown
    assert cache_tool(["--remove-older", "0"]) == 0
    assert not list((tmp_path / "cache").iterdir())


def test_a_model_that_standardizes_inside_is_refused_before_training(tmp_path: Path, root: Path) -> None:
    path = suite_file(tmp_path, root, model={"name": "multi_task", "encoder": "resnet18"})
    with pytest.raises(CnnlibError, match=r"dataset.normalize: auto: the model standardizes images inside"):
        run_suite(load_suite(path), tmp_path)


def test_images_stay_as_they_are_unless_asked(tmp_path: Path) -> None:
    config = load_suite(write_suite(tmp_path)).experiments["tiny"]
    assert training_statistics(config, open_data(config, 0), 0) is None
