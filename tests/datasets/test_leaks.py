"""The same picture on both sides is found, named and refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Value
from datasets import Image as ImageColumn
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from cnnlib.assembly import refuse_leaks
from cnnlib.config import build, load_suite
from cnnlib.datasets import DATASETS, CroppedScenes, HuggingFace, NYUv2, Scenes, Shards, leaks
from cnnlib.datasets.decoded import Decoded
from cnnlib.datasets.fingerprints import Fingerprints, PerceptualHash
from cnnlib.datasets.folds import fold_splits
from cnnlib.datasets.leaks import check_leaks, find_leaks, near_pairs
from cnnlib.datasets.shards.writer import write_shards
from cnnlib.types import CnnlibError, DataSource, Sample, Target, TargetInfo
from tests.datasets.paper_files import save_picture
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


@pytest.mark.parametrize("make", [Scenes, CroppedScenes])
def test_rendered_samples_cost_nothing(
    make: Callable[..., DataSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make(size=24, train=4, val=2, test=2, cache_dir=str(tmp_path))
    monkeypatch.setattr(Scenes.read, "__getitem__", None)
    assert said_of(data) == ""


def test_mirrored_copies_are_found(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Image.open(root / "photo" / "train" / "1.png") as picture:
        ImageOps.mirror(picture).resize((150, 140)).save(root / "photo" / "test" / "other_way.png")
    save(disc(), root / "mask" / "test" / "other_way.png")
    checked(root)
    assert "are they copies? 1\n" in (said := capsys.readouterr().err)
    assert f"train {root / 'photo' / 'train' / '1.png'} and test" in said


def photographs() -> dict[str, np.ndarray]:
    """A photograph in train and, with another, in val; in test the first one smaller and mirrored."""
    one, other = (picture[:210, :230] for picture in load_sample_images().images)
    smaller = np.asarray(ImageOps.mirror(Image.fromarray(one)).resize((120, 110)))
    return {"train": [one], "val": [other, one], "test": [smaller]}


class Photographs:
    """The samples of ``photographs``, which tell neither files nor pictures."""

    inputs = {"image": 3}  # noqa: RUF012
    targets = {"label": TargetInfo("label", names=("a", "b"))}  # noqa: RUF012
    size = None

    def __init__(self, noise: float = 0) -> None:
        self._noise = noise

    def split(self, part: str) -> list[Sample]:
        return [
            {
                "image": torch.from_numpy(picture.copy()).permute(2, 0, 1) / 255 * (1 - self._noise),
                "label": Target(torch.tensor(0)),
                "name": f"{part}_{number}",
            }
            for number, picture in enumerate(photographs()[part])
        ]


def shards(folder: Path, noise: float = 0) -> Shards:
    write_shards(Photographs(noise), folder, {})
    return Shards(str(folder))


def table(folder: Path, **options: Any) -> HuggingFace:
    features = Features({"photo": ImageColumn(), "label": Value("int64")})
    tables = {
        part: Dataset.from_list(
            [{"photo": {"bytes": png(picture), "path": None}, "label": 0} for picture in pictures],
            features=features,
        )
        for part, pictures in photographs().items()
    }
    for part, rows in tables.items():
        rows.to_parquet(folder / f"{part}.parquet")
    targets = {"label": {"column": "label", "names": ["a", "b"]}}
    return HuggingFace(str(folder), {"image": "photo"}, targets, **options)


def png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def said_of(source: DataSource, fingerprints: Fingerprints | None = None) -> str:
    splits = {part: source.split(part) for part in PARTS}
    return check_leaks("x", find_leaks(splits, fingerprints or Fingerprints()), allowed=True)


@pytest.mark.parametrize(
    ("make", "places"),
    [
        (
            shards,
            (
                "{folder}/train-000000.tar, sample 0 (counted from 0)",
                "{folder}/val-000000.tar, sample 1 (counted from 0)",
                "{folder}/test-000000.tar, sample 0 (counted from 0)",
            ),
        ),
        (table, ("row 0 of table train", "row 1 of table val", "row 0 of table test")),
        (
            lambda folder: table(folder, stream=2),
            ("row 0 of table train", "row 1 of table val", "row 0 of table test"),
        ),
        (
            lambda folder: Decoded(table(folder, size=64), "hugging_face", {"root": str(folder)}, limit=1.0),
            ("row 0 of table train", "row 1 of table val", "row 0 of table test"),
        ),
    ],
    ids=["shards", "table", "stream of rows", "decoded table"],
)
def test_pictures_inside_of_larger_files_are_compared(
    tmp_path: Path, make: Callable[[Path], DataSource], places: tuple[str, ...]
) -> None:
    train, val, test = (place.format(folder=tmp_path) for place in places)
    assert said_of(make(tmp_path)) == (
        "x: the same picture is in two splits, so the test measures memory: 1\n"
        f"    train {train} and val {val}\n"
        "x: pictures in two splits look the same, or mirrored; are they copies? 1\n"
        f"    train {train} and test {test}"
    )


def test_arrays_inside_of_shards_are_compared(tmp_path: Path) -> None:
    said = said_of(shards(tmp_path, 0.01))
    assert "measures memory: 1\n" in said
    assert "are they copies? 1\n" in said
    assert "input.image.npy" in (tmp_path / "train-000000.tar").read_bytes().decode("latin-1")


def test_a_copy_inside_of_a_shard_is_refused(tmp_path: Path) -> None:
    shards(tmp_path / "shards")
    dataset = {"name": "shards", "root": str(tmp_path / "shards")}
    suite = load_suite(write_suite(tmp_path, dataset=dataset, tasks={"label": {}}))
    config = suite.experiments[suite.baseline]
    with pytest.raises(CnnlibError, match=r"leaks: allow"):
        refuse_leaks(config, build(config.dataset, DATASETS), 0, Fingerprints())


def test_pictures_inside_of_larger_files_are_read_once_for_all_folds(tmp_path: Path) -> None:
    source, fingerprints = shards(tmp_path), Fingerprints()
    first, second = (fold_splits(source, 2, fold, 0) for fold in (0, 1))
    found = find_leaks(first, fingerprints, None)
    assert found.same.count + found.near.count > 0
    for path in tmp_path.glob("*.tar"):
        path.unlink()
    found = find_leaks(second, fingerprints, None)
    assert found.same.count + found.near.count > 0


def test_arrays_are_compared_like_pictures(tmp_path: Path) -> None:
    for part, count in (("train", 4), ("val", 2)):
        for number in range(count):
            save_picture(tmp_path / part, number, 13)
    assert said_of(NYUv2(str(tmp_path))) == ""
    copied = tmp_path / "val" / "image" / "1.npy"
    copied.write_bytes((tmp_path / "train" / "image" / "2.npy").read_bytes())
    assert "measures memory: 1\n" in said_of(NYUv2(str(tmp_path)))
    np.save(copied, np.load(copied)[:, ::-1])
    assert "look the same, or mirrored; are they copies? 1\n" in said_of(NYUv2(str(tmp_path)))


def test_it_is_said_where_copies_cannot_be_found() -> None:
    assert said_of(Photographs()) == (
        "x: 4 samples are not checked for copies in other splits, since the data set gives neither their files nor "
        "their pictures (see cnnlib.types.SampleSource)"
    )


hashes = st.none() | st.builds(PerceptualHash, st.integers(0, 2**8), st.integers(0, 2**8))


@given(
    ours=st.lists(hashes, max_size=12),
    theirs=st.lists(hashes, max_size=12),
    most=st.integers(0, 4),
)
def test_near_pairs_are_all_near_pairs(
    ours: list[PerceptualHash | None], theirs: list[PerceptualHash | None], most: int
) -> None:
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
