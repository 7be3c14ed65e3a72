"""Saved predictions: what is written can be read back, stays where it belongs, and is whole or not there."""

from __future__ import annotations

import csv
import gc
import io
import json
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cnnlib.files import file_stem
from cnnlib.predictions import PERSISTERS, FolderPersister, ZipPersister
from cnnlib.tasks import BoxTask, DepthTask, LabelTask, MaskTask, PointsTask
from cnnlib.types import CnnlibError, Predicted, PredictionSink, Target, TargetInfo

TASKS = {
    "mask": MaskTask(TargetInfo("mask")),
    "depth": DepthTask(TargetInfo("depth", unit="m"), max_depth=20.0),
}
INPUTS = {"bg": 3, "fg_bg": 3}


def sample(seed: int = 0, height: int = 12, width: int = 16) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    shape = (1, height, width)
    known = torch.rand(shape, generator=generator) > 0.2
    return {
        "image": torch.rand((6, height, width), generator=generator),
        "predictions": {
            "mask": torch.rand(shape, generator=generator),
            "depth": 20 * torch.rand(shape, generator=generator),
        },
        "targets": {
            "mask": Target((torch.rand(shape, generator=generator) > 0.5).float(), torch.ones_like(known)),
            "depth": Target(20 * torch.rand(shape, generator=generator), known),
        },
    }


def contents(out: Path) -> dict[str, bytes]:
    """Every file below a persister's folder, by path, whichever form it has."""
    archive = out / "predictions.zip"
    if archive.exists():
        with zipfile.ZipFile(archive) as file:
            assert file.testzip() is None
            return {name: file.read(name) for name in file.namelist()}
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def picture(content: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("kind", PERSISTERS)
def test_everything_that_was_written_is_read_back(tmp_path: Path, kind: str) -> None:
    sink = PERSISTERS[kind](tmp_path / "out", TASKS, INPUTS)
    assert isinstance(sink, PredictionSink)
    given_sample = sample()
    sink.write(Predicted("a", **given_sample))
    sink.close()
    files = contents(tmp_path / "out")

    depth = given_sample["predictions"]["depth"]
    assert picture(files["depth/a.png"]).dtype == np.uint16
    np.testing.assert_allclose(picture(files["depth/a.png"]) / 1000, depth[0], atol=0.00051)
    np.testing.assert_array_equal(
        picture(files["mask/a.png"]), (given_sample["predictions"]["mask"][0] >= 0.5) * 255
    )
    np.testing.assert_array_equal(
        picture(files["truth/mask/a.png"]), given_sample["targets"]["mask"].value[0] * 255
    )
    np.testing.assert_allclose(
        picture(files["truth/depth/a.png"]) / 1000, given_sample["targets"]["depth"].value[0], atol=0.00051
    )
    np.testing.assert_array_equal(
        picture(files["valid/depth/a.png"]), given_sample["targets"]["depth"].valid[0] * 255
    )
    assert "valid/mask/a.png" not in files  # all of it is known
    for index, name in enumerate(INPUTS):
        shown = given_sample["image"][3 * index : 3 * index + 3].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(picture(files[f"input/{name}/a.png"]) / 255, shown, atol=0.00197)
    assert min(picture(files["panels/a.png"]).shape[:2]) > 256
    notes = files["README.txt"].decode()
    assert all(text in notes for text in (*(task.file_note for task in TASKS.values()), "truth/", "valid/"))


def test_folder_and_zip_hold_the_same_files(tmp_path: Path) -> None:
    for kind, persister in PERSISTERS.items():
        sink = persister(tmp_path / kind, TASKS, INPUTS)
        for index in range(3):
            sink.write(Predicted(f"scene/{index}", **sample(index)))
        sink.close()
    assert contents(tmp_path / "folder") == contents(tmp_path / "zip")


@pytest.mark.parametrize("kind", PERSISTERS)
def test_a_new_image_has_no_truth_to_save(tmp_path: Path, kind: str) -> None:
    sink = PERSISTERS[kind](tmp_path, TASKS, INPUTS)
    sink.write(Predicted("a", **(sample() | {"targets": {}})))
    sink.close()
    notes = contents(tmp_path)["README.txt"].decode()
    assert "mask" in notes
    assert not any(word in notes for word in ("truth", "valid", "target"))
    assert {path.split("/")[0] for path in contents(tmp_path)} == {
        "mask",
        "depth",
        "input",
        "panels",
        "README.txt",
    }


@pytest.mark.parametrize("kind", PERSISTERS)
@pytest.mark.parametrize("count", [0, 2])
def test_the_first_samples_are_kept(tmp_path: Path, kind: str, count: int) -> None:
    sink = PERSISTERS[kind](tmp_path, TASKS, INPUTS, count=count)
    for index in range(4):
        sink.write(Predicted(f"s{index}", **sample(index)))
    sink.close()
    kept = {path for path in contents(tmp_path) if path.startswith("mask/")}
    assert kept == {f"mask/s{index}.png" for index in range(count)}


NASTY = [
    "../x",
    "/etc/passwd",
    "a/b",
    "..",
    ".",
    ".hidden",
    "C:\\x",
    "a%2Fb",
    "new\nline",
    "ends.",
    "日本",
    "a b",
    "-rf",
]


@pytest.mark.parametrize("kind", PERSISTERS)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "deep" / "out"
    sink = PERSISTERS[kind](out, {"mask": TASKS["mask"]}, INPUTS)
    one = sample()
    for name in NASTY:
        sink.write(Predicted(name, one["image"], {"mask": one["predictions"]["mask"]}))
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    saved = [path for path in contents(out) if path.startswith("mask/")]
    assert all(len(Path(path).parts) == 2 for path in saved)
    assert sorted(unquote(Path(path).name.removesuffix(".png")) for path in saved) == sorted(NASTY)


@given(st.text(min_size=1, max_size=60))
def test_a_safe_name_can_be_turned_back(name: str) -> None:
    stem = file_stem(name)
    assert unquote(stem) == name
    assert not set(stem) & set('/\\:*?"<>|\0\n')
    assert stem not in (".", "..")


@pytest.mark.parametrize("kind", PERSISTERS)
@pytest.mark.parametrize(("first", "second"), [("a", "a"), ("Scene", "scene")])
def test_two_samples_may_not_share_a_file(tmp_path: Path, kind: str, first: str, second: str) -> None:
    sink = PERSISTERS[kind](tmp_path, TASKS, INPUTS)
    sink.write(Predicted(first, **sample()))
    with pytest.raises(CnnlibError, match=rf"'{first}' and '{second}' would be saved under one name"):
        sink.write(Predicted(second, **sample()))


@pytest.mark.parametrize("name", ["", "x" * 241, "é" * 130])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CnnlibError, match="cannot name a file"):
        FolderPersister(tmp_path, TASKS, INPUTS).write(Predicted(name, **sample()))


def test_mistakes_of_the_config_are_reported_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(CnnlibError, match="may not be called 'truth'"):
        FolderPersister(tmp_path, {"truth": TASKS["mask"]}, INPUTS)
    with pytest.raises(CnnlibError, match="count must be at least 0; it is -1"):
        ZipPersister(tmp_path, TASKS, INPUTS, count=-1)
    (tmp_path / "file").touch()
    for persister in PERSISTERS.values():
        with pytest.raises(CnnlibError, match="cannot hold predictions"):
            persister(tmp_path / "file", TASKS, INPUTS)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("kind", PERSISTERS)
def test_what_is_no_map_becomes_rows_of_a_table(tmp_path: Path, kind: str) -> None:
    """The header is the task's, names come as they are, and what is not valid is an empty cell."""
    points = PointsTask(TargetInfo("points", names=("eye", "ear")))
    sink = PERSISTERS[kind](tmp_path, {"face": points}, {"photo": 3})
    seen = torch.tensor([[1.5, 2.0, 0.5], [3.0, 4.0, torch.nan]])
    value, valid = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([True, False])
    for name, targets in (("a, b", {"face": Target(value, valid)}), ("c/d", {})):
        sink.write(Predicted(name, torch.rand(3, 8, 8), {"face": seen}, targets))
    sink.close()
    files = {path: content.decode() for path, content in contents(tmp_path).items() if path.endswith(".csv")}
    assert set(files) == {"face.csv", "truth/face.csv"}
    rows = list(csv.DictReader(io.StringIO(files["face.csv"])))
    assert [row.pop("name") for row in rows] == ["a, b", "c/d"]
    assert list(rows[0]) == [f"{name}_{end}" for name in ("eye", "ear") for end in ("x", "y", "confidence")]
    for row in rows:
        torch.testing.assert_close(points.load(row), seen, equal_nan=True)
    (truth,) = csv.DictReader(io.StringIO(files["truth/face.csv"]))
    assert [truth[f"ear_{end}"] for end in ("x", "y", "confidence")] == ["", "", ""]
    torch.testing.assert_close(points.load(truth)[0, :2], value[0])


@pytest.mark.parametrize("kind", PERSISTERS)
def test_rows_are_also_kept_by_name(tmp_path: Path, kind: str) -> None:
    """Strict JSON: a coordinate's confidence is not known."""
    tasks = {
        "face/left": PointsTask(TargetInfo("points", names=("eye", "ear_x"))),
        "size": LabelTask(TargetInfo("label", names=("small", "large"))),
        "mask": TASKS["mask"],
    }
    sink = PERSISTERS[kind](tmp_path, tasks, {"photo": 3}, pictures=())
    found = {
        "face/left": torch.tensor([[1.5, 2.0, 0.5], [3.0, -4.0, torch.nan]]),
        "size": torch.tensor([0.25, 0.75]),
        "mask": torch.zeros(1, 8, 8),
    }
    sink.write(Predicted("c/é", torch.rand(3, 8, 8), found))
    sink.close()
    files = contents(tmp_path)
    assert not {path.split("/")[0] for path in files} & {"input", "panels", "drawn"}
    assert json.loads(files["predictions.json"], parse_constant=pytest.fail) == {
        "c/é": {
            "face/left": {
                "eye": {"x": 1.5, "y": 2.0, "confidence": 0.5},
                "ear_x": {"x": 3.0, "y": -4.0, "confidence": None},
            },
            "size": {"predicted": "large", "p_small": 0.25, "p_large": 0.75},
        }
    }


@pytest.mark.parametrize(("height", "width", "scale"), [(300, 400, 1), (40, 60, 5)])
def test_rows_are_drawn_on_the_picture_at_its_own_size(
    tmp_path: Path, height: int, width: int, scale: int
) -> None:
    """Marks lie where they should on a large picture, and on a small one that is enlarged for them."""
    tasks = {
        "box": BoxTask(TargetInfo("box")),
        "dot": PointsTask(TargetInfo("points", names=("eye",))),
    }
    sink = FolderPersister(tmp_path, tasks, {"bg": 3, "photo": 3}, pictures=("drawn",))
    box = torch.tensor([0.1 * width, 0.1 * height, 0.9 * width, 0.9 * height])
    dot = torch.tensor([[0.25 * width - 0.5, 0.25 * height - 0.5, 1.0]])
    sink.write(Predicted("a", torch.zeros(6, height, width), {"box": box, "dot": dot}))
    sink.close()
    drawn = np.asarray(Image.open(tmp_path / "drawn/a.png")).astype(int)
    assert drawn.shape == (scale * height, scale * width, 3)
    rows, columns = np.nonzero((drawn == (230, 25, 75)).all(2))  # the first colour of points
    middle = [columns.mean() + 0.5, rows.mean() + 0.5]
    np.testing.assert_allclose(middle, [0.25 * width * scale, 0.25 * height * scale], atol=1)
    assert 0.015 < (columns.max() - columns.min()) / (scale * width) < 0.04  # in proportion to the picture
    rows, columns = np.nonzero((drawn == (255, 130, 0)).all(2))
    np.testing.assert_allclose(
        [columns.min(), rows.min(), columns.max(), rows.max()], scale * box.numpy(), atol=2
    )
    assert not (tmp_path / "panels").exists()


def test_the_archive_appears_when_it_is_whole(tmp_path: Path) -> None:
    sink = ZipPersister(tmp_path, TASKS, INPUTS)
    sink.write(Predicted("a", **sample()))
    assert not (tmp_path / "predictions.zip").exists()
    sink.close()
    written = (tmp_path / "predictions.zip").read_bytes()
    sink.close()
    assert (tmp_path / "predictions.zip").read_bytes() == written
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.zip"]


def test_the_archive_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    class Counted(zipfile.ZipFile):
        def __init__(self, *arguments: object, **options: object) -> None:
            opened.append(arguments)
            super().__init__(*arguments, **options)

    monkeypatch.setattr("cnnlib.predictions.zip.ZipFile", Counted)
    sink = ZipPersister(tmp_path, TASKS, INPUTS)
    for index in range(4):
        sink.write(Predicted(f"s{index}", **sample(index)))
    sink.close()
    assert len(opened) == 1


def test_equal_samples_give_equal_archives(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        sink = ZipPersister(tmp_path / folder, TASKS, INPUTS)
        sink.write(Predicted("a", **sample()))
        sink.close()
    assert (tmp_path / "one/predictions.zip").read_bytes() == (tmp_path / "two/predictions.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one/predictions.zip") as archive:  # whenever it was written
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_writing_that_breaks_leaves_the_old_archive(tmp_path: Path) -> None:
    (tmp_path / "predictions.zip").write_bytes(b"of an earlier run")
    sink = ZipPersister(tmp_path, TASKS, INPUTS)
    sink.write(Predicted("a", **sample()))
    with pytest.raises(CnnlibError):
        sink.write(Predicted("b", **(sample() | {"image": torch.rand(4, 8, 8)})))
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.zip"]
    assert (tmp_path / "predictions.zip").read_bytes() == b"of an earlier run"


def test_an_archive_that_is_never_closed_leaves_nothing(tmp_path: Path) -> None:
    sink = ZipPersister(tmp_path, TASKS, INPUTS)
    sink.write(Predicted("a", **sample()))
    assert list(tmp_path.iterdir())
    del sink
    gc.collect()
    assert not list(tmp_path.iterdir())
