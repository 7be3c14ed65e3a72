"""Composites on disk: what fg_bg reads of them is what was composed."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from cnnlib.datasets import FgBg
from cnnlib.datasets.composites import write
from cnnlib.datasets.composites.write import write_composites
from cnnlib.types import CnnlibError
from tests.datasets.composites.made_pictures import composites, write_pictures
from tools.make_dataset import main


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_pictures(tmp_path_factory.mktemp("pictures"))
    options = {"foregrounds": "fg", "backgrounds": "bg", "depths": "depth", "cache_dir": "cache"}
    dataset = {"name": "composite", **{key: str(root / place) for key, place in options.items()}}
    suite = {
        "dataset": dataset | {"size": 32, "positions": 2, "val": 0.2, "test": 0.25},
        "model": "resunet",
        "tasks": {"mask": {}, "depth": {}},
        "optimizer": "adamw",
        "training": {"epochs": 1},
    }
    (root / "made.yaml").write_text(yaml.safe_dump(suite))
    return root / "made.yaml"


def test_fg_bg_reads_what_was_composed(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    assert main([str(config), "--out", str(out), "--range", "10:30", "--picture", "png"]) == 0
    data, source = FgBg(str(out), background_file="samples.csv"), composites(config.parent)
    data.check()
    by_name = {source.name_of(index): index for index in range(10, 30)}
    seen = 0
    for part in ("train", "val", "test"):
        split = data.split(part)
        for index in range(len(split)):
            read = split[index]
            made = source.sample(by_name[read["name"]])
            assert np.abs(read["image"].numpy() - made["image"].numpy()).max() < 0.51 / 255
            assert np.array_equal(read["mask"].value.numpy(), made["mask"].value.numpy())
            assert np.abs(read["depth"].value.numpy() - made["depth"].value.numpy()).max() <= 0.00051
            assert read["group"] == made["group"]
            seen += 1
    assert seen == 20


def test_jpeg_is_near_and_masks_stay_exact(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    assert main([str(config), "--out", str(out), "--range", "0:4", "--jobs", "2"]) == 0
    source = composites(config.parent)
    for index in range(4):
        name = source.name_of(index)
        picture = np.array(Image.open(out / "fg_bg" / f"{name}.jpg")) / 255
        assert np.abs(picture - source.sample(index)["image"][3:].permute(1, 2, 0).numpy()).mean() < 0.03
        assert set(np.unique(np.array(Image.open(out / "fg_bg_mask" / f"{name}.png")))) == {0, 255}


def test_it_goes_on_where_it_was_stopped(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    assert main([str(config), "--out", str(out), "--range", "0:6"]) == 0
    files = {path: path.stat().st_mtime_ns for path in out.rglob("*.*g")}
    lost = sorted(path for path in files if "mask" in str(path))[2]
    lost.unlink()
    assert main([str(config), "--out", str(out), "--range", "0:8"]) == 0
    again = {path: path.stat().st_mtime_ns for path in out.rglob("*.*g")}
    assert lost in again
    assert len([path for path in again if "mask" in str(path)]) == 8
    kept = [path for path in files if again[path] == files[path]]
    assert len(kept) == len(files) - 3  # the lost one, its picture and its depth


def test_ranges_of_several_calls_are_one_data_set(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    for numbers in ("0:4", "20:26"):
        assert main([str(config), "--out", str(out), "--range", numbers]) == 0
    data, source = FgBg(str(out), background_file="samples.csv", group_by="sample"), composites(config.parent)
    splits = [data.split(part) for part in ("train", "val", "test")]
    names = {split[index]["name"] for split in splits for index in range(len(split))}
    assert names == {source.name_of(index) for index in (*range(4), *range(20, 26))}


@pytest.mark.parametrize(
    ("scale", "valid", "expected"),
    [
        (1e-7, True, 1),  # a hundredth of a millimetre is not 0, which says that nothing is known
        (0.01, True, None),  # 10 to 60 metres
        (0.1, False, "its depth goes up to [0-9.]+; .* at most 65.535: set depth_scale"),
    ],
)
def test_depths_are_stored_or_refused(
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    scale: float,
    valid: bool,
    expected: object,
) -> None:
    out, source = tmp_path / "made", composites(config.parent, depth_scale=scale)
    arguments = [str(config), "--out", str(out), "--range", "0:1", "--set", f"dataset.depth_scale={scale}"]
    if not valid:
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert source.name_of(0) in error
        assert re.search(str(expected), error)
        assert not list(out.rglob("*.png"))
        return
    assert main(arguments) == 0
    levels = np.array(Image.open(out / "fg_bg_depth" / f"{source.name_of(0)}.png"))
    depth = source.sample(0)["depth"]
    assert np.array_equal(levels > 0, depth.valid[0].numpy())
    assert np.abs(levels - depth.value[0].numpy() * 1000).max() <= (0.51 if expected is None else 1)


def test_a_damaged_description_is_told(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made"
    assert main([str(config), "--out", str(out), "--range", "0:1"]) == 0
    for damaged in (b'{"options"', b"\xff", b"[" * 100_000):
        (out / "made_from.json").write_bytes(damaged)
        assert main([str(config), "--out", str(out), "--range", "0:1"]) == 2
        assert "made_from.json: not valid JSON" in capsys.readouterr().err


def test_another_data_set_does_not_go_into_the_same_folder(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made"
    assert main([str(config), "--out", str(out), "--range", "0:2"]) == 0
    assert main([str(config), "--out", str(out), "--range", "0:2", "--set", "dataset.seed=1"]) == 2
    assert "were made from something else" in capsys.readouterr().err


def test_pictures_that_have_changed_are_not_mixed_with_those_before(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made"
    assert main([str(config), "--out", str(out), "--range", "0:2"]) == 0
    picture = sorted((config.parent / "bg").iterdir())[0]
    before = picture.read_bytes()
    Image.new("RGB", (80, 64), "white").save(picture)
    assert main([str(config), "--out", str(out), "--range", "0:4"]) == 2
    assert "were made from something else" in capsys.readouterr().err
    picture.write_bytes(before)
    assert main([str(config), "--out", str(out), "--range", "0:4"]) == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--range", "0:100000"], "there are 80 samples; give an end of at most 80"),
        (["--set", "dataset=scenes"], "the config's dataset must be composite; it is scenes"),
    ],
)
def test_what_cannot_be_written_is_told(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert main([str(config), "--out", str(tmp_path / "made"), *arguments]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("text", ["5", "5:2", "a:b", "-1:4"])
def test_a_range_that_is_none_is_refused(config: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(config), "--out", str(tmp_path), f"--range={text}"])


def test_a_folder_that_cannot_be_written_is_told(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main([str(config), "--out", str(tmp_path / "file"), "--range", "0:2"]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_process_that_is_killed_is_told(config: Path, tmp_path: Path) -> None:
    """As where memory is short."""
    options = yaml.safe_load(config.read_text())["dataset"] | {"positions": 100}
    del options["name"]
    written = write_composites(options, range(4000), tmp_path / "made", jobs=2)
    next(written)
    for process in multiprocessing.active_children():
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(
        CnnlibError, match=r"killed; is there memory left.* The same command goes on from here"
    ):
        list(written)


def test_processes_that_cannot_be_started_are_no_fault_of_the_folder(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(write, "start_fork_server", fail)
    assert main([str(config), "--out", str(tmp_path / "made"), "--jobs", "2"]) == 2
    assert capsys.readouterr().err == "error: AF_UNIX path too long\n"
