"""``on_error: skip``: samples with broken files are left out, counted and named; nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlib.assembly import open_data
from cnnlib.config import load_suite
from cnnlib.datasets import Boxes, FgBg, Folders
from cnnlib.datasets.file_source import FileDataSource
from cnnlib.types import CnnlibError
from tests.datasets.pictures import PARTS, disc, photo, ramp, samples, save, truncate, write_csv
from tests.tiny_suite import write_suite
from tools.run_suite import main

NAMES = [f"{letter}{number}" for letter in "abcde" for number in range(4)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, name in enumerate(NAMES):
        save(photo(seed, 40, 40), tmp_path / "images" / f"{name}.png")
        save(disc(40, 40), tmp_path / "masks" / f"{name}.png")
    return tmp_path


def make(root: Path, **options: Any) -> Folders:
    return Folders(str(root), {"image": "images"}, {"mask": "masks"}, **({"val": 0.2, "test": 0.2} | options))


def parts(data: FileDataSource) -> dict[str, list[str]]:
    splits = {part: data.split(part) for part in PARTS}
    return {part: [split[i]["name"] for i in range(len(split))] for part, split in splits.items()}


def break_three(root: Path) -> list[str]:
    """A picture, a target, and both of one sample."""
    truncate(root / "images" / "b1.png")
    (root / "masks" / "c2.png").write_bytes(b"")
    truncate(root / "images" / "e0.png")
    save(photo(1), root / "masks" / "e0.png")
    return ["b1", "c2", "e0"]


def test_only_broken_samples_leave_their_splits(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the others stay where they are, and the same samples."""
    before, images = parts(make(root)), {each["name"]: each["image"] for each in samples(make(root))}
    lost = break_three(root)
    data = make(root)
    data.skip_broken(0.15)
    assert data.skipped == tuple(lost)
    assert parts(data) == {
        part: [name for name in names if name not in lost] for part, names in before.items()
    }
    assert all((each["image"] == images[each["name"]]).all() and "mask" in each for each in samples(data))
    told = capsys.readouterr().err
    assert (
        "left out 3 of 20 samples with broken files:\n  files that are not readable as an image: 3\n" in told
    )
    assert all(f"{name}.png" in told for name in lost)
    data.check()
    data.skip_broken(0.15)  # as a second run of a suite does
    assert not capsys.readouterr().err


def test_by_default_nothing_is_skipped(root: Path) -> None:
    break_three(root)
    with pytest.raises(CnnlibError, match="not readable as an image: 3"):
        make(root).check()
    with pytest.raises(CnnlibError):
        samples(make(root))


def test_too_many_broken_files_are_refused(root: Path) -> None:
    break_three(root)
    message = r"3 of 20 samples with broken files, more than max_skipped: 0\.14 allows:\n  files that are not readable"
    with pytest.raises(CnnlibError, match=message):
        make(root).skip_broken(0.14)
    with pytest.raises(CnnlibError, match=r"more than max_skipped: 0 allows"):
        make(root).skip_broken(0)


def test_all_files_are_looked_into_whatever_check_is(root: Path) -> None:
    lost = break_three(root)
    data = make(root, check=1)
    data.skip_broken(0.2)
    assert data.skipped == tuple(lost)


def test_the_one_size_is_that_of_a_sample_that_is_left(root: Path) -> None:
    (root / "images" / "a0.png").write_bytes(b"")
    data = make(root)
    data.skip_broken(0.05)
    assert len(samples(data)) == 19


def test_files_that_do_not_fit_together_are_still_refused(root: Path) -> None:
    save(photo(1, 30, 40), root / "images" / "a1.png")
    with pytest.raises(CnnlibError, match="images of different sizes; set size to resize them: 2"):
        make(root).skip_broken(0.5)
    (root / "masks" / "a1.png").write_bytes(b"")  # one that is left out does not count
    make(root).skip_broken(0.5)


def test_a_broken_background_takes_its_samples_with_it(tmp_path: Path) -> None:
    for number in range(1, 61):
        save(photo(number), tmp_path / "fg_bg" / f"img_{number:04d}.png")
        save(disc(), tmp_path / "fg_bg_mask" / f"img_{number:04d}.png")
        save(ramp().astype(np.uint16) * 9, tmp_path / "fg_bg_depth" / f"img_{number:04d}.png")
    for number in range(1, 7):
        save(photo(number), tmp_path / "bg" / f"bg_{number:03d}.png")
    truncate(tmp_path / "bg" / "bg_002.png")
    (tmp_path / "fg_bg_depth" / "img_0001.png").write_bytes(b"")
    data = FgBg(str(tmp_path), val=0.2, test=0.2)
    assert data.targets["depth"].unit == "m"  # though the first depth is broken
    data.skip_broken(0.2)
    assert data.skipped == ("img_0001", *(f"img_{number:04d}" for number in range(11, 21)))
    assert len(samples(data)) == 49


def test_annotations_that_do_not_fit_their_picture_are_skipped(root: Path) -> None:
    rows = [(f"{name}.png", "cat" if name < "c" else "dog", "1", "2", "30", "30") for name in NAMES]
    rows[3] = ("a3.png", "cat", "100", "100", "130", "130")
    write_csv(root / "boxes.csv", ("filename", "class", "xmin", "ymin", "xmax", "ymax"), *rows)
    truncate(root / "images" / "e0.png")
    data = Boxes(str(root), "boxes.csv", "images", val=0.2, test=0.2)
    data.skip_broken(0.1)
    assert data.skipped == ("a3", "e0")
    assert len(samples(data)) == 18


def config(root: Path, **options: Any) -> Path:
    dataset = {
        "name": "folders",
        "root": str(root),
        "inputs": {"image": "images"},
        "targets": {"mask": "masks"},
    }
    return write_suite(
        root,
        dataset=dataset | {"val": 0.2, "test": 0.2, "on_error": "skip"} | options,
        tasks={"mask": {}},
        training={"epochs": 1, "batch_size": 4, "workers": 0},
    )


def test_folds_have_what_is_left(root: Path) -> None:
    lost = break_three(root)
    suite = load_suite(config(root, folds=4, max_skipped=0.2))
    tested = []
    for seed in range(4):
        data = open_data(next(iter(suite.experiments.values())), seed)
        assert list(data.skipped) == lost
        tested += [data.test[i]["name"] for i in range(len(data.test))]
    assert sorted(tested) == [name for name in NAMES if name not in lost]


def test_the_default_allows_a_twentieth(root: Path) -> None:
    break_three(root)
    suite = load_suite(config(root))
    with pytest.raises(CnnlibError, match=r"3 of 20 samples with broken files, more than max_skipped: 0\.05"):
        open_data(next(iter(suite.experiments.values())), 0)


def test_data_that_are_no_files_cannot_skip_any(root: Path) -> None:
    scenes = {"name": "scenes", "size": 32, "train": 4, "val": 4, "test": 4, "on_error": "skip"}
    path = write_suite(root, dataset=scenes)
    with pytest.raises(CnnlibError, match="on_error: skip is for data sets of image files; leave it out"):
        open_data(next(iter(load_suite(path).experiments.values())), 0)


@pytest.mark.slow
def test_a_run_writes_how_many_were_left_out(root: Path) -> None:
    lost = break_three(root)
    path = config(root, max_skipped=0.2)
    assert main([str(path), "--out", str(root / "runs")]) == 0
    (result,) = (root / "runs").rglob("result.json")
    assert json.loads(result.read_text())["skipped"] == {"count": 3, "first": lost}
