"""A tiny subset: the same layout, every split and class with its share, written whole."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.datasets import FgBg, Folders, tiny
from cnnlib.datasets.splits import stratified_subset
from tests.datasets.pictures import disc, photo, samples, save, write_csv
from tests.tiny_suite import write_suite
from tools.make_tiny import main


@given(strata=st.lists(st.sampled_from("aaabbc"), min_size=1, max_size=60), size=st.integers(1, 70))
def test_every_stratum_has_its_share(strata: list[str], size: int) -> None:
    indices = stratified_subset(strata, size, 0).tolist()
    assert indices == sorted(set(indices))
    assert len(indices) == min(size, len(strata))
    counts, all_counts = Counter(strata[index] for index in indices), Counter(strata)
    if size >= len(all_counts):
        assert counts.keys() == all_counts.keys()
    for stratum, count in all_counts.items():
        assert abs(counts[stratum] - len(indices) * count / len(strata)) < 1 + len(all_counts) - 1


def test_the_seed_decides() -> None:
    first, again, other = (stratified_subset(list("ab" * 50), 10, seed).tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.fixture
def animals(tmp_path: Path) -> dict[str, Any]:
    """20 cats and 10 dogs; some have a mask, all but one a row with a point."""
    rows = [("name", "nose_x", "nose_y")]
    for number in range(30):
        name = f"{('cats', 'cats', 'dogs')[number % 3]}/{number:02}.png"
        save(photo(number), tmp_path / "data" / "photo" / name)
        if number % 2:
            save(disc(), tmp_path / "data" / "mask" / name)
        if number:
            rows.append((name, str(number), "5"))
    write_csv(tmp_path / "data" / "points.csv", *rows)
    return {
        "root": str(tmp_path / "data"),
        "inputs": {"image": "photo"},
        "targets": {
            "mask": "mask",
            "spots": {"kind": "points", "file": "points.csv", "names": ["nose"]},
            "animal": {"kind": "label", "by_folder": True},
        },
    }


def make(folder: Path, options: dict[str, Any], *arguments: str, name: str = "folders") -> int:
    tasks = {"mask": {"loss": "bce"}}
    suite = write_suite(folder, dataset={"name": name, **options}, tasks=tasks)
    return main([str(suite), "--out", str(folder / "tiny"), *arguments])


@pytest.mark.parametrize("link", ["copy", "hard", "symbolic"])
def test_the_subset_is_a_data_set_of_the_same_layout(
    tmp_path: Path, animals: dict[str, Any], link: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(tmp_path, animals, "--share", "0.4", "--link", link) == 0
    assert "12 samples (train" in capsys.readouterr().out
    small = Folders(**animals | {"root": str(tmp_path / "tiny")})
    small.check()
    whole = {sample["name"]: sample for sample in samples(Folders(**animals))}
    drawn = samples(small)
    assert Counter(sample["name"][:4] for sample in drawn) == {"cats": 8, "dogs": 4}
    for sample in drawn:
        assert sample.keys() == whole[sample["name"]].keys()
        assert (sample["image"] == whole[sample["name"]]["image"]).all()
    assert not list(tmp_path.glob(".tiny*"))
    files = list((tmp_path / "tiny" / "photo").rglob("*.png"))
    assert len(files) == 12
    assert all(path.is_symlink() == (link == "symbolic") for path in files)
    assert all(path.stat().st_nlink == (2 if link == "hard" else 1) for path in files)


def test_lists_of_splits_keep_the_names_that_are_drawn(tmp_path: Path, animals: dict[str, Any]) -> None:
    names = sorted(
        path.parent.name + "/" + path.stem for path in (tmp_path / "data" / "photo").rglob("*.png")
    )
    animals["splits"] = {}
    for part, chosen in (("train", names[::2]), ("val", names[1::4]), ("test", names[3::4])):
        (tmp_path / "data" / f"{part}.txt").write_text("\n".join(chosen))
        animals["splits"][part] = f"{part}.txt"
    assert make(tmp_path, animals, "--count", "9") == 0
    small = Folders(**animals | {"root": str(tmp_path / "tiny")})
    assert len(samples(small)) == 9
    assert all(len(small.split(part)) >= 2 for part in ("train", "val", "test"))


def test_backgrounds_come_along(tmp_path: Path) -> None:
    root = tmp_path / "data"
    rows = [("image", "background")]
    for number in range(12):
        save(photo(number), root / "fg_bg" / f"{number}.png")
        save(disc(), root / "fg_bg_mask" / f"{number}.png")
        rows.append((f"{number}.png", f"room{number % 4}"))
    for number in range(4):
        save(photo(100 + number), root / "bg" / f"room{number}.png")
    write_csv(root / "pairs.csv", *rows)
    options = {"root": str(root), "depth_folder": None, "background_file": "pairs.csv", "group_by": "sample"}
    options |= {"val": 0.25, "test": 0.25}
    assert make(tmp_path, options, "--count", "6", name="fg_bg") == 0
    small = FgBg(**options | {"root": str(tmp_path / "tiny")})
    small.check()
    assert len(samples(small)) == 6


def test_it_goes_on_where_it_was_stopped(
    tmp_path: Path, animals: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Path] = []
    copy = shutil.copyfile

    def stops(source: Path, target: Path) -> None:
        if len(copied) == 5:
            target.write_bytes(b"half")
            raise KeyboardInterrupt
        copied.append(source)
        copy(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(tiny.shutil, "copyfile", stops)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path, animals, "--count", "10")
    assert not (tmp_path / "tiny").exists()
    again: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr(tiny.shutil, "copyfile", lambda one, other: (again.append(one), copy(one, other)))
        assert make(tmp_path, animals, "--count", "10") == 0
    assert not set(again) & set(copied)
    small = Folders(**animals | {"root": str(tmp_path / "tiny")})
    small.check()
    assert len(samples(small)) == 10
    assert not [path for path in (tmp_path / "tiny").rglob("*") if "partial" in path.name]


def test_other_beginnings_and_what_is_there_are_left_alone(
    tmp_path: Path, animals: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".tiny.partial").mkdir()
    (tmp_path / ".tiny.partial" / "plan.json").write_text("{}")
    assert make(tmp_path, animals, "--count", "5") == 2
    assert "holds the beginning of another subset" in capsys.readouterr().err
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "mine").touch()
    assert make(tmp_path, animals, "--count", "5") == 2
    assert "it is there already" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == ["mine"]


def test_what_lies_outside_of_the_root_is_refused_and_stays(
    tmp_path: Path, animals: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "points.csv"
    (tmp_path / "data" / "points.csv").rename(table)
    before = table.read_bytes()
    for place in (str(table), "../points.csv"):
        animals["targets"]["spots"]["file"] = place
        assert make(tmp_path, animals, "--count", "5") == 2
        assert "is not below the data set's root" in capsys.readouterr().err
    assert table.read_bytes() == before


def test_other_data_sets_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        make(tmp_path, yaml.safe_load("{size: 32, train: 4, val: 2, test: 2}"), "--count", "3", name="scenes")
        == 2
    )
    assert "can be drawn of the data sets folders and fg_bg" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--count", "0"], ["--share", "1.5"], [], ["--count", "3", "--share", "0.5"], ["--seed", "-1"]],
)
def test_bad_arguments(tmp_path: Path, animals: dict[str, Any], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        make(tmp_path, animals, *arguments)
    assert ended.value.code == 2
