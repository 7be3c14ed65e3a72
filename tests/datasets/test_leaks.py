"""The same picture on both sides is found, named and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from cnnlib.assembly import refuse_leaks
from cnnlib.config import build, load_suite
from cnnlib.datasets import DATASETS, Scenes, leaks
from cnnlib.datasets.fingerprints import Fingerprints, Look
from cnnlib.datasets.leaks import find_leaks, near_pairs
from cnnlib.types import CnnlibError
from tests.datasets.pictures import PARTS, disc, save
from tests.tiny_suite import write_suite


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two different photographs in each split, with masks."""
    for index, part in enumerate(PARTS):
        for row in range(2):
            picture = load_sample_images().images[row][
                100 * index : 100 * index + 210, 200 * index : 200 * index + 230
            ]
            save(picture, tmp_path / "photo" / part / f"{row}.png")
            save(disc(), tmp_path / "mask" / part / f"{row}.png")
    return tmp_path


def add(root: Path, part: str, name: str, source: Path) -> None:
    (root / "photo" / part / f"{name}.png").write_bytes(source.read_bytes())
    save(disc(), root / "mask" / part / f"{name}.png")


def checked(root: Path, **options: Any) -> None:
    dataset = {
        "name": "folders",
        "root": str(root),
        "inputs": {"image": "photo"},
        "targets": {"mask": "mask"},
        "splits": {part: part for part in PARTS},
        "size": 32,
        **options,
    }
    suite = load_suite(write_suite(root, dataset=dataset, tasks={"mask": {"loss": "bce"}}))
    config = suite.experiments[suite.baseline]
    refuse_leaks(config, build(config.dataset, DATASETS), 0, Fingerprints())


def test_different_pictures_pass_in_silence(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(root, "train", "twice", root / "photo" / "train" / "0.png")  # within one split
    checked(root)
    assert capsys.readouterr() == ("", "")


def test_a_copy_in_another_split_is_refused_and_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(root, "test", "copy", root / "photo" / "train" / "1.png")
    with pytest.raises(CnnlibError) as refused:
        checked(root)
    message = str(refused.value)
    assert "the same picture is in two splits, so the test measures memory: 1\n" in message
    assert (
        f"train {root / 'photo' / 'train' / '1.png'} and test {root / 'photo' / 'test' / 'copy.png'}"
        in message
    )
    assert "leaks: allow" in message
    checked(root, leaks="allow")
    said = capsys.readouterr().err
    assert "copy.png" in said
    assert "look the same" not in said  # it is told once


def test_what_looks_the_same_is_a_warning(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Image.open(root / "photo" / "val" / "0.png") as picture:
        picture.resize((120, 110)).save(root / "photo" / "train" / "smaller.png")
    save(disc(), root / "mask" / "train" / "smaller.png")
    checked(root)
    said = capsys.readouterr().err
    assert "pictures in two splits look the same, or mirrored; are they copies? 1\n" in said
    assert (
        f"train {root / 'photo' / 'train' / 'smaller.png'} and val {root / 'photo' / 'val' / '0.png'}" in said
    )


def test_black_pictures_are_not_taken_for_copies_of_each_other(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part, size in (("train", 40), ("test", 60)):
        Image.new("RGB", (size, size)).save(root / "photo" / part / "black.png")
        save(disc(), root / "mask" / part / "black.png")
    checked(root)
    assert capsys.readouterr().err == ""


def test_folds_are_checked_as_they_are_divided(root: Path) -> None:
    add(root, "train", "twice", root / "photo" / "train" / "0.png")
    with pytest.raises(CnnlibError, match=r"twice\.png"):
        checked(root, folds=6)


def test_rendered_samples_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Scenes(size=24, train=4, val=2, test=2, cache_dir=str(tmp_path))
    monkeypatch.setattr(Scenes.read, "__getitem__", None)
    found = find_leaks({part: data.split(part) for part in PARTS}, Fingerprints())
    assert (found.same.count, found.near.count) == (0, 0)


def test_mirrored_copies_are_found(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Image.open(root / "photo" / "train" / "1.png") as picture:
        ImageOps.mirror(picture).resize((150, 140)).save(root / "photo" / "test" / "other_way.png")
    save(disc(), root / "mask" / "test" / "other_way.png")
    checked(root)
    assert "are they copies? 1\n" in (said := capsys.readouterr().err)
    assert f"train {root / 'photo' / 'train' / '1.png'} and test" in said


looks = st.none() | st.builds(Look, st.integers(0, 2**8), st.integers(0, 2**8))


@given(
    ours=st.lists(looks, max_size=12),
    theirs=st.lists(looks, max_size=12),
    most=st.integers(0, 4),
)
def test_near_pairs_are_all_near_pairs(ours: list[Look | None], theirs: list[Look | None], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaks, "_BLOCK", 5)
        count, examples = near_pairs(ours, theirs, most)
    wanted = [
        (row, column)
        for row, one in enumerate(ours)
        for column, other in enumerate(theirs)
        if one and other and min((each ^ other.plain).bit_count() for each in one) <= most
    ]
    assert count == len(wanted)
    assert examples == wanted[: leaks.SHOWN]
