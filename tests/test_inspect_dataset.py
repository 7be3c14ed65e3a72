"""tools/inspect_dataset.py: a table, a picture and a page of any data set, and what is wrong with it."""

from __future__ import annotations

import csv
import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnlib.datasets import DATASETS
from cnnlib.datasets.fingerprints import Fingerprints
from cnnlib.datasets.inspection import evenly_spread, inspect_samples
from cnnlib.tasks import TASKS
from tests.datasets.pictures import PARTS, truncate
from tests.datasets.test_contract import EXAMPLES, folders
from tests.tiny_suite import write_suite
from tools.inspect_dataset import main

FOLDERS = {
    "name": "folders",
    "inputs": {"bg": "room", "photo": "photo"},  # in the order of letters, as YAML is dumped
    "targets": {
        "mask": "mask",
        "far": {"kind": "depth", "folder": "depth", "scale": 0.02, "unit": "m"},
        "animal": {"kind": "label", "by_folder": True},
    },
    "size": 16,
    "val": 0.3,
    "test": 0.3,
    "group_pattern": r"(\d+)-",
}


def inspect(folder: Path, **dataset: object) -> tuple[int, list[dict[str, str]], str]:
    """The exit code, the table and the page."""
    suite = write_suite(folder, dataset=dataset, tasks={"mask": {"loss": "bce"}})
    code = main([str(suite), "--out", str(folder / "seen"), "--samples", "6"])
    with (folder / "seen" / "samples.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return code, rows, (folder / "seen" / "index.html").read_text(encoding="utf-8")


def test_a_row_says_what_the_file_and_its_targets_are(tmp_path: Path) -> None:
    folders(tmp_path)
    code, rows, page = inspect(tmp_path, root=str(tmp_path), **FOLDERS)
    assert code == 0
    assert len(rows) == 12
    row = next(row for row in rows if row["name"] == "dogs/0-1")
    path = tmp_path / "photo" / "dogs" / "0-1.png"
    assert row["file"] == str(path)
    assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (row["stored"], row["mode"], row["height"], row["group"]) == ("32 x 24", "PNG RGB", "16", "0")
    assert (row["labels"], row["animal/class"]) == ("animal far mask", "dogs")
    with Image.open(tmp_path / "mask" / "dogs" / "0-1.png") as mask:
        share = float((np.array(mask) > 0).mean())
    assert float(row["mask/foreground"]) == pytest.approx(share, abs=0.05)  # at another size
    assert 0 < float(row["far/nearest"]) < float(row["far/farthest"]) <= 5.0001
    assert next(row for row in rows if row["name"] == "cats/0-0")["mask/foreground"] == ""
    assert "No problem was found" in page
    assert "data:image/png" in page
    with Image.open(tmp_path / "seen" / "samples.png") as picture:
        assert min(picture.size) > 500


def test_problems_and_copies_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders(tmp_path)
    truncate(tmp_path / "photo" / "cats" / "0-2.png")
    first = (tmp_path / "photo" / "dogs" / "0-1.png").read_bytes()
    for number in (3, 5, 7, 9, 11):  # of all groups: on both sides, whatever the division
        (tmp_path / "photo" / "dogs" / f"{number // 4}-{number}.png").write_bytes(first)
    code, rows, page = inspect(tmp_path, root=str(tmp_path), **FOLDERS)
    assert code == 1
    assert (
        "not readable as an image" in next(row for row in rows if row["file"].endswith("0-2.png"))["problem"]
    )
    assert "The same picture is in two splits" in page
    said = capsys.readouterr().err
    assert "the same picture is in two splits, so the test measures memory" in said
    assert "0-2.png" in said


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_of_the_table(name: str, tmp_path: Path) -> None:
    source = EXAMPLES[name](tmp_path)
    splits = {part: source.split(part) for part in PARTS}
    tasks = {key: TASKS[info.kind](info=info) for key, info in source.targets.items()}
    found = inspect_samples(splits, tasks, Fingerprints())
    assert found.problems == []
    assert len(found.rows) == sum(map(len, splits.values()))
    assert all(len(row["sha256"]) == 64 for row in found.rows)
    pixels = np.concatenate(
        [split["image"].numpy().reshape(len(split["image"]), -1) for split in splits["train"]], 1
    )
    np.testing.assert_allclose(found.channels.mean, pixels.mean(1, dtype=np.float64), atol=1e-6)
    np.testing.assert_allclose(found.channels.std, pixels.std(1, dtype=np.float64), atol=1e-6)
    said = {key for row in found.rows for key in row if "/" in key}
    assert {key.partition("/")[0] for key in said} == set(source.targets)
    numbers = [
        value for row in found.rows for key, value in row.items() if "/" in key and not isinstance(value, str)
    ]
    assert any(map(math.isfinite, numbers)) or not numbers


def test_samples_are_spread_over_all_splits() -> None:
    splits = {"train": range(80), "val": range(10), "test": range(3)}
    places = list(evenly_spread(splits, 12))
    assert [part for part, _ in places].count("train") == 10
    assert {part for part, _ in places} == {"train", "val", "test"}
    assert len(set(places)) == len(places)
    assert all(index < len(splits[part]) for part, index in places)
    assert max(index for part, index in places if part == "train") >= 70


def test_bad_input_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = str(write_suite(tmp_path))
    assert main([suite, "--experiment", "tinny"]) == 2
    assert "did you mean 'tiny'?" in capsys.readouterr().err
    assert main([str(tmp_path / "none.yaml")]) == 2
