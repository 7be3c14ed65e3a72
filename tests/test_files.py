from __future__ import annotations

import csv
import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.files import file_stem, write_atomically, write_csv, write_json

NAN, INFINITY = float("nan"), float("inf")


def test_a_write_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "a long first text")
    write_atomically(path, "short")
    assert path.read_text() == "short"
    write_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_name_that_passes_the_check_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / f"{file_stem('ü' * 120)}.safetensors"
    write_atomically(path, "text")
    assert path.read_text() == "text"


def test_a_missing_folder_is_told_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.txt"
    with pytest.raises(FileNotFoundError, match=f"'{path}'"):
        write_atomically(path, "text")


def test_a_full_disk_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "a.txt"
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        write_atomically(path, "text")
    assert not list(tmp_path.iterdir())


def test_a_failed_rename_keeps_the_old_file_and_leaves_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "old")

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_csv_leaves_absent_values_empty(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["x", "y", "z"], [{"x": 1, "y": NAN}, {"y": None, "z": "a,b\n"}])
    with (tmp_path / "a.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"x": "1", "y": "", "z": ""}, {"x": "", "y": "", "z": "a,b\n"}]


@given(st.floats(allow_nan=False))
def test_csv_keeps_every_digit(tmp_path_factory: pytest.TempPathFactory, value: float) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    write_csv(path, ["x"], [{"x": value}])
    assert float(path.read_text().splitlines()[1]) == value


def test_json_has_null_for_what_it_cannot_say(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": NAN, "b": [1.5, INFINITY], "c": {"d": "é"}})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": None, "b": [1.5, None], "c": {"d": "é"}}
