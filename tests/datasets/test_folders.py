"""Folders of images and targets: what pairs, what is missing, what is broken."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlib.augmentations import Pipeline
from cnnlib.datasets import Folders
from cnnlib.datasets.folds import fold_splits
from cnnlib.datasets.loading import labelled
from cnnlib.tasks import PointsTask
from cnnlib.types import CnnlibError, TargetInfo
from tests.datasets.pictures import (
    HEIGHT,
    PARTS,
    WIDTH,
    disc,
    photo,
    ramp,
    samples,
    save,
    truncate,
    write_csv,
)
from tests.time_limit import limited
from tests.tiny_suite import write_suite
from tools.run_suite import main

NAMES = tuple("abcdef")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six photographs, and masks of all but two."""
    for seed, name in enumerate(NAMES):
        save(photo(seed), tmp_path / "images" / f"{name}.jpg")
        if name not in "cf":
            save(disc(), tmp_path / "masks" / f"{name}.png")
    return tmp_path


def make(root: Path, **options: Any) -> Folders:
    return Folders(str(root), **{"inputs": {"image": "images"}, "targets": {"mask": "masks"}} | options)


def only_target(root: Path, given: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The target ``x`` of every sample that has it, by name."""
    found = samples(make(root, targets={"x": given}, **options))
    return {sample["name"]: sample["x"] for sample in found if "x" in sample}


def test_images_and_masks_are_paired_by_name_and_may_be_missing(root: Path) -> None:
    data = make(root, size=16)
    data.check()
    assert data.inputs == {"image": 3}
    assert data.targets == {"mask": TargetInfo("mask")}
    found = {sample["name"]: sample for sample in samples(data)}
    assert list(found) == list(NAMES)
    assert [name for name in NAMES if "mask" not in found[name]] == ["c", "f"]
    assert all(found[name]["image"].shape == (3, 16, 16) for name in NAMES)


def test_files_of_every_size_take_the_same_size(root: Path) -> None:
    save(photo(9, 70, 50), root / "images" / "a.jpg")
    save(disc(9, 11), root / "masks" / "a.png")
    data = make(root, size=16)
    data.check()
    assert all(sample["image"].shape == (3, 16, 16) for sample in samples(data))
    with pytest.raises(
        CnnlibError, match=r"images of different sizes; set size to resize them: 2\n    70 x 50"
    ):
        make(root).check()


def test_training_passes_over_samples_without_a_wanted_label(root: Path) -> None:
    save(ramp(), root / "depth" / "c.png")
    data = make(root, targets={"mask": "masks", "depth": "depth"})
    for part in PARTS:
        split = data.split(part)
        names = [split[i]["name"] for i in range(len(split))]
        kept = labelled(split, ["mask"])
        assert [kept[i]["name"] for i in range(len(kept))] == [name for name in names if name not in "cf"]
        both = labelled(split, ["mask", "depth"])
        assert [both[i]["name"] for i in range(len(both))] == [name for name in names if name != "f"]
    plain = [{"name": "a"}]
    assert list(labelled(plain, ["mask"])) == plain  # cannot tell, so nothing is left out


def test_the_random_split_follows_the_seed_and_keeps_groups_together(root: Path) -> None:
    def parts(**options: Any) -> list[set[str]]:
        data = make(root, val=0.34, test=0.34, **options)
        return [{data.split(p)[i]["name"] for i in range(len(data.split(p)))} for p in PARTS]

    assert parts(seed=3) == parts(seed=3)
    assert len({str(parts(seed=seed)) for seed in range(5)}) > 1
    for name in NAMES:
        save(photo(0), root / "images" / f"{name}2.jpg")
    for first, second, third in [parts(seed=seed, group_pattern="(.)") for seed in range(4)]:
        groups = [{name[0] for name in names} for names in (first, second, third)]
        assert sum(map(len, groups)) == len(NAMES)


@pytest.mark.parametrize("layout", ["{split}/{kind}", "{kind}/{split}"])
def test_splits_may_be_folders(root: Path, layout: str) -> None:
    places = {"train": "train", "val": "valid", "test": "test"}
    for i, name in enumerate(NAMES):
        for kind, suffix in (("images", ".jpg"), ("masks", ".png")):
            file = root / kind / f"{name}{suffix}"
            target = root / layout.format(split=list(places.values())[i % 3], kind=kind) / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.exists():
                file.rename(target)
    data = make(root, splits=places)
    data.check()
    found = {part: [data.split(part)[i]["name"] for i in range(2)] for part in PARTS}
    assert found == {
        "train": ["train/a", "train/d"],
        "val": ["valid/b", "valid/e"],
        "test": ["test/c", "test/f"],
    }
    assert "mask" in data.split("train")[0]
    assert "mask" not in data.split("test")[0]


def test_splits_may_be_lists_of_names(root: Path) -> None:
    splits = {"train": "train.txt", "val": "val.txt", "test": "test.txt"}
    (root / "train.txt").write_text("e\nb.jpg\n\n")
    (root / "val.txt").write_text("a\n")
    (root / "test.txt").write_text("f")
    data = make(root, splits=splits)
    assert [[data.split(p)[i]["name"] for i in range(len(data.split(p)))] for p in PARTS] == [
        ["b", "e"],
        ["a"],
        ["f"],
    ]
    (root / "test.txt").write_text("f\na\nz\n")
    with pytest.raises(
        CnnlibError,
        match=r"(?s)names in two splits: 1\n    a: val and test.*in test.txt without an image: 1\n    z",
    ):
        make(root, splits=splits)
    (root / "test.txt").write_bytes("fünf\n".encode("latin-1"))
    with pytest.raises(
        CnnlibError, match=r"splits: .*test\.txt cannot be read as a list of names, UTF-8 text"
    ):
        make(root, splits=splits)
    with pytest.raises(
        CnnlibError, match="splits must name train and test, and may name val; test is missing"
    ):
        make(root, splits={"train": "train.txt", "val": "val.txt"})


def pascal_context(root: Path, **options: Any) -> Folders:
    """As the papers on PASCAL-Context have it, with two lists, and PNG files for what it has as .mat."""
    return Folders(
        str(root),
        {"image": "JPEGImages"},
        {
            "semantic": {"folder": "semseg", "names": ["background", "dog"]},
            "parts": {"kind": "semantic", "folder": "human_parts", "names": ["no part", "head"]},
            "normals": "normals_distill",
            "saliency": {"kind": "mask", "folder": "sal_distill"},
            "edges": {"kind": "mask", "folder": "edges"},
        },
        splits={"train": "ImageSets/Context/train.txt", "test": "ImageSets/Context/val.txt"},
        **options,
    )


def test_two_lists_as_pascal_context_has_them(tmp_path: Path) -> None:
    """Validation is a part of train; images in no list are not read; few have parts of people."""
    ids = [f"2008_{number:06d}" for number in range(14)]
    classes = (disc() // 255).astype(np.uint8)
    classes[0] = 255
    for number, name in enumerate(ids):
        save(photo(number), tmp_path / "JPEGImages" / f"{name}.jpg")
        save(classes, tmp_path / "semseg" / f"{name}.png")
        facing = np.full((HEIGHT, WIDTH, 3), (128, 128, 255), np.uint8)
        save(facing, tmp_path / "normals_distill" / f"{name}.png")
        save(disc(), tmp_path / "sal_distill" / f"{name}.png")
        save(disc(), tmp_path / "edges" / f"{name}.png")
    for name in ids[::5]:
        save(classes, tmp_path / "human_parts" / f"{name}.png")
    (tmp_path / "JPEGImages" / f"{ids[13]}.jpg").write_bytes(b"broken, and in no list")
    lists = tmp_path / "ImageSets" / "Context"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(ids[:9]) + "\n")
    (lists / "val.txt").write_text("\n".join(ids[9:13]) + "\n")
    data = pascal_context(tmp_path, val=0.3)
    data.check()
    names = {part: [data.split(part)[i]["name"] for i in range(len(data.split(part)))] for part in PARTS}
    assert names["test"] == ids[9:13]
    assert sorted(names["train"] + names["val"]) == ids[:9]
    assert len(names["val"]) == 3
    assert names != {
        part: [split[i]["name"] for i in range(len(split))]
        for part in PARTS
        for split in [pascal_context(tmp_path, val=0.3, seed=1).split(part)]
    }
    found = {sample["name"]: sample for sample in samples(data)}
    assert [name for name in found if "parts" in found[name]] == ids[:13:5]
    sample = found[ids[0]]
    assert not sample["semantic"].valid[0, 0].any()
    assert torch.allclose(sample["normals"].value[2], torch.tensor(-1.0), atol=0.01)
    assert set(sample["edges"].value.unique().tolist()) == {0.0, 1.0}


def test_classes_by_folder(root: Path) -> None:
    for i, name in enumerate(NAMES):
        place = root / "animals" / ("dog", "cat", "panda")[i % 3] / f"{name}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        (root / "images" / f"{name}.jpg").rename(place)
    (root / "animals" / "list.txt").write_text("not an image")
    data = Folders(str(root), {"image": "animals"}, {"animal": {"kind": "label", "by_folder": True}})
    assert data.targets["animal"] == TargetInfo("label", names=("cat", "dog", "panda"))
    found = {sample["name"]: int(sample["animal"].value) for sample in samples(data)}
    assert found == {"cat/b": 0, "cat/e": 0, "dog/a": 1, "dog/d": 1, "panda/c": 2, "panda/f": 2}
    for kind, options in (("mask", {}), ("label", {"multi_label": True})):
        with pytest.raises(CnnlibError, match=f"kind '{kind}' cannot be read from the names of folders"):
            Folders(str(root), {"image": "animals"}, {kind: {"by_folder": True, **options}})
    given = {"kind": "label", "by_folder": True, "names": ["cat", "dog"]}
    with pytest.raises(CnnlibError, match=r"targets\.animal: names does not list the folder 'panda'"):
        Folders(str(root), {"image": "animals"}, {"animal": given})


def test_class_folders_are_full_and_hold_all_images(root: Path) -> None:
    def opened() -> Folders:
        return Folders(str(root), {"image": "images"}, {"animal": {"kind": "label", "by_folder": True}})

    for seed, name in enumerate(("cat/1", "cat/2", "dog/1", ".trash/1")):
        save(photo(seed), root / "images" / f"{name}.jpg")
    (root / "images" / ".cache").mkdir()
    with pytest.raises(
        CnnlibError,
        match=r"(?s)images beside the folders of classes, and in none of them: 6\n    .*images: a\n",
    ):
        opened()
    for name in NAMES:
        (root / "images" / f"{name}.jpg").unlink()
    assert opened().targets["animal"].names == ("cat", "dog")
    (root / "images" / "empty").mkdir()
    with pytest.raises(CnnlibError, match=r"folders of classes without an image file: 1\n    .*empty"):
        opened()


def test_classes_of_pixels_keep_their_indices_and_ignore_one(root: Path) -> None:
    levels = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 3).astype(np.uint8)
    levels[:3] = 255
    picture = Image.fromarray(levels, "L")
    with_palette = picture.copy()
    with_palette.putpalette([200, 10, 10, 10, 200, 10, 10, 10, 200] * 85 + [0, 0, 0])
    (root / "classes").mkdir()
    picture.save(root / "classes" / "a.png")
    with_palette.save(root / "classes" / "b.png")
    given = {"kind": "semantic", "folder": "classes", "names": ["x", "y", "z"]}
    for ignored, valid in ((255, levels != 255), (1, levels != 1), (None, levels >= 0)):
        found = only_target(root, {**given, "ignore_index": ignored})
        for name in "ab":
            np.testing.assert_array_equal(found[name].value[0], levels)
            shown = np.ones_like(valid) if found[name].valid is None else found[name].valid[0].numpy()
            np.testing.assert_array_equal(shown, valid)


def test_normals_are_colours_and_black_is_not_valid(root: Path) -> None:
    colors = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colors[:, 1:] = (128, 128, 255)  # towards the viewer
    colors[:, 2] = (255, 128, 128)  # to the right
    save(colors, root / "directions" / "a.png")
    target = only_target(root, {"kind": "normals", "folder": "directions"})["a"]
    torch.testing.assert_close(target.value[:, 0, 1], torch.tensor([0.0, 0.0, -1.0]), atol=0.01, rtol=0)
    torch.testing.assert_close(target.value[:, 0, 2], torch.tensor([1.0, 0.0, 0.0]), atol=0.01, rtol=0)
    np.testing.assert_array_equal(target.valid[0, 0, :4], [False, True, True, True])


def test_points_and_boxes_come_from_tables_in_pixels_of_the_stored_picture(root: Path) -> None:
    write_csv(
        root / "points.csv",
        ("name", "extra", "nose_x", "nose_y", "tail_x", "tail_y"),
        ("a.jpg", "?", "-0.5", "-0.5", str(WIDTH - 0.5), str(HEIGHT - 0.5)),
        ("b", "?", "7", "5", "", "3"),
    )
    write_csv(root / "boxes.csv", ("name", "xmin", "ymin", "xmax", "ymax"), ("a", "0", "6", str(WIDTH), "12"))
    points = {"kind": "points", "file": "points.csv", "names": ["nose", "tail"]}
    found = only_target(root, points, size=12)
    assert set(found) == {"a", "b"}
    torch.testing.assert_close(
        found["a"].value, torch.tensor([[-0.5, -0.5], [11.5, 11.5]])
    )  # corner to corner
    assert found["a"].valid.tolist() == [True, True]
    assert found["b"].valid.tolist() == [True, False]
    torch.testing.assert_close(found["b"].value[0], torch.tensor([7.5 * 12 / WIDTH - 0.5, 5.5 / 2 - 0.5]))
    box = only_target(root, {"kind": "box", "file": "boxes.csv"}, size=12)["a"]
    assert box.value.tolist() == [0, 3, 12, 6]
    assert box.valid.item() is True


def test_places_are_checked_in_pixels_of_the_stored_picture(root: Path) -> None:
    """Outside of it they are not valid, also without augmentation; far outside is an error of the table."""
    header = ("name", "p_x", "p_y", "q_x", "q_y")
    write_csv(root / "t.csv", header, ("a", str(WIDTH - 0.5), str(HEIGHT - 0.5), str(WIDTH), "3"))
    points = {"kind": "points", "file": "t.csv", "names": ["p", "q"]}
    for size in (7, 13, 224, None):
        data = make(root, targets={"x": points}, size=size)
        task = PointsTask(data.targets["x"])
        (found,) = (Pipeline([], {"x": task})(sample) for sample in samples(data) if "x" in sample)
        assert found["x"].valid.tolist() == [True, False]
        data.check()
    write_csv(root / "t.csv", header, ("a", "1", "2", "100", "3"))
    data = make(root, targets={"x": points}, size=224)
    message = r"t\.csv: a: a point lies at x=100, y=3, far outside of the picture of 32 x 24 pixels"
    with pytest.raises(CnnlibError, match=rf"not usable as points: 1\n    .*{message}"):
        data.check()
    with pytest.raises(CnnlibError, match=message):
        samples(data)
    write_csv(root / "t.csv", ("name", "xmin", "ymin", "xmax", "ymax"), ("a", "1", "2", "100", "3"))
    with pytest.raises(CnnlibError, match=r"t\.csv: a: a corner of a box lies at x=100, y=3, far outside"):
        make(root, targets={"x": {"kind": "box", "file": "t.csv"}}).check()


def test_classes_come_from_a_table_by_name(root: Path) -> None:
    write_csv(root / "t.csv", ("name", "predicted"), ("a", "dog"), ("b", "cat"), ("c", ""))
    given = {"kind": "label", "file": "t.csv", "names": ["cat", "dog"]}
    found = only_target(root, given)
    assert {name: (int(value), bool(valid)) for name, (value, valid) in found.items() if name != "c"} == {
        "a": (1, True),
        "b": (0, True),
    }
    assert not found["c"].valid  # nothing is known of it, and it is not the first class
    write_csv(root / "t.csv", ("name", "p_cat", "p_dog"), ("a", "0.2", "0.8"), ("b", "", ""))
    found = only_target(root, given)
    assert (int(found["a"].value), bool(found["a"].valid), bool(found["b"].valid)) == (1, True, False)
    write_csv(root / "t.csv", ("name", "predicted"), ("a", "cow"))
    with pytest.raises(CnnlibError, match=r"not usable as label: 1\n    .*t\.csv: a: 'cow' is no class"):
        make(root, targets={"x": given}).check()


def test_folds_keep_the_shares_of_classes_and_groups_together(root: Path) -> None:
    names = [f"{person}_{i}" for person in "abcdefghij" for i in range(2)]
    for seed, name in enumerate(names):
        save(photo(seed), root / "people" / f"{name}.jpg")
    write_csv(root / "t.csv", ("name", "predicted"), *((name, "xy"[name < "f"]) for name in names))
    write_csv(root / "p.csv", ("name", "p_x", "p_y"), *((name, 30, 20) for name in names))
    targets = {
        "at": {"kind": "points", "file": "p.csv", "names": ["p"]},
        "x": {"kind": "label", "file": "t.csv", "names": ["x", "y"]},
    }
    for pattern in (None, "^(.)_"):
        data = make(root, inputs={"image": "people"}, targets=targets, group_pattern=pattern)
        for fold in range(5):
            test = fold_splits(data, 5, fold, 0)["test"]
            found = [test[index] for index in range(len(test))]
            assert sorted(int(sample["x"].value) for sample in found) == [0, 0, 1, 1]
            assert pattern is None or len({sample["group"] for sample in found}) == 2


def test_several_classes_of_an_image_come_from_a_table(root: Path) -> None:
    """Separated by semicolons, or a column for each with 0, 1 or nothing."""
    given = {"kind": "label", "file": "t.csv", "names": ["cat", "dog"], "multi_label": True}
    write_csv(root / "t.csv", ("name", "predicted"), ("a", "cat;dog"), ("b", "dog"), ("c", ""))
    found = only_target(root, given)
    assert {name: target.value.tolist() for name, target in found.items() if target.valid.all()} == {
        "a": [1, 1],
        "b": [0, 1],
    }
    assert not found["c"].valid.any()
    write_csv(root / "t.csv", ("name", "p_cat", "p_dog"), ("a", "0", "0"), ("b", "1", ""))
    found = only_target(root, given)
    assert (found["a"].value.tolist(), found["a"].valid.tolist()) == ([0, 0], [True, True])
    assert (found["b"].value.tolist(), found["b"].valid.tolist()) == ([1, 0], [True, False])
    with pytest.raises(CnnlibError, match="multi_label must be"):
        make(root, targets={"x": {**given, "multi_label": "perhaps"}})


def test_saved_predictions_are_targets(root: Path) -> None:
    """What a task stores of a row is what a table of targets holds."""
    task = PointsTask(TargetInfo("points", names=("p",)))
    row = task.store(torch.tensor([[3.25, 4.5, 0.9]]))
    write_csv(root / "t.csv", ("name", *row), ("a", *map(str, row.values())))
    target = only_target(root, {"kind": "points", "file": "t.csv", "names": ["p"]})["a"]
    assert target.value.tolist() == [[3.25, 4.5]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": {}}, "inputs must be "),
        ({"targets": {"maks": "masks"}}, r"targets\.maks: .*'maks' \(did you mean 'mask'\?\)"),
        ({"targets": {"x": {"kind": "mask"}}}, r"targets\.x: it needs one of folder .* it has none"),
        ({"targets": {"mask": {"folder": "masks", "file": "a.csv"}}}, "it has folder and file"),
        ({"targets": {"mask": {"folder": None}}}, r"targets\.mask: folder must be text; it is None"),
        ({"targets": {"mask": {"folder": 3}}}, r"targets\.mask: folder must be text; it is 3"),
        ({"targets": {"mask": {"folder": ["a"]}}}, r"targets\.mask: folder must be text; it is \['a'\]"),
        ({"targets": {"box": {"file": 5}}}, r"targets\.box: file must be text; it is 5"),
        ({"targets": {"label": {"by_folder": "images"}}}, "by_folder must be true or false; it is 'images'"),
        ({"targets": {"label": {"by_folder": True, "file": "a.csv"}}}, "it has file and by_folder"),
        (
            {"targets": {"x": {"kind": ["box"], "file": "a.csv"}}},
            r"targets\.x: kind must be text; it is \['b",
        ),
        (
            {"targets": {"x": {"kind": "box", "folder": "masks"}}},
            r"targets\.x: .*'box' cannot be read from images",
        ),
        ({"targets": {"mask": {"folder": "masks", "scale": 2}}}, r"targets\.mask: it has no option 'scale'"),
        ({"targets": {"depth": {"folder": "masks", "scle": 2}}}, r"'scle' \(did you mean 'scale'\?\)"),
        (
            {"targets": {"depth": {"folder": "masks", "scale": 0}}},
            r"targets\.depth: scale must be at least 1e-09",
        ),
        ({"targets": {"box": {"file": "nowhere.csv"}}}, r"targets\.box: .*nowhere\.csv"),
        ({"targets": {"mask": {"file": "a.csv"}}}, r"targets\.mask: .*'mask' cannot be read from a table"),
        (
            {"targets": {"semantic": {"folder": "masks", "names": [1, 2]}}},
            r"targets\.semantic: names\.0 must be text; it is 1",
        ),
        ({"targets": {"points": {"file": "a.csv", "names": "eye"}}}, "names must be a list; it is 'eye'"),
        ({"targets": {"mask": "labels"}}, r"folders that do not exist: 1\n    targets\.mask: .*labels"),
        ({"inputs": {"image": "labels"}}, r"folders that do not exist: 1\n    inputs\.image: .*labels"),
        ({"size": 0}, "size must be at least 1; it is 0"),
        ({"val": 0}, "val must be above 0; it is 0"),
        ({"val": 0.5, "test": 0.5}, "must leave samples for training"),
        ({"group_pattern": "x"}, "group_pattern needs exactly one group"),
        ({"group_pattern": "(z)"}, r"images whose group is not known: 6\n    a\n"),
        ({"check": 0}, "check must be at least 1"),
    ],
    ids=str,
)
def test_every_option_that_cannot_work_is_named(root: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CnnlibError, match=f"(?s){message}"):
        make(root, **options)


def test_a_table_of_something_else_is_reported(root: Path) -> None:
    write_csv(root / "t.csv", ("name", "x", "y"), ("a", "1", "2"))
    given = {"kind": "points", "file": "t.csv", "names": ["p"]}
    with pytest.raises(CnnlibError, match=r"has the columns name, x, y; expected name and p_x, p_y$"):
        make(root, targets={"x": given})
    write_csv(root / "t.csv", ("name", "p_x", "p_y"), ("a", "1", "left"))
    with pytest.raises(CnnlibError, match=r"not usable as points: 1\n    .*t\.csv: a: .*'left'"):
        make(root, targets={"x": given}).check()


def test_a_table_has_one_row_for_each_image(root: Path) -> None:
    """And not silently the last of several; whether a name has its ending does not matter."""
    edges = ("1", "2", "8", "9")
    header = ("name", " xmin", "ymin ", "xmax", "ymax")  # spaces around names of columns do not matter
    write_csv(root / "t.csv", header, ("a", *edges), ("b", *edges))
    box = {"kind": "box", "file": "t.csv"}
    assert only_target(root, box)["a"].value.tolist() == [1, 2, 8, 9]
    write_csv(root / "t.csv", header, ("a", *edges), ("b", *edges), ("a.jpg", *edges))
    with pytest.raises(
        CnnlibError, match=r"x targets in several rows; several per image, .*not supported: 1\n    a$"
    ):
        make(root, targets={"x": box})


@pytest.mark.parametrize(
    ("given", "columns", "expected"),
    [
        ({"kind": "points", "names": ["p", "q"]}, "p_x,p_y,q_x,p_confidence", "p_x, p_y, q_x, q_y"),
        ({"kind": "box"}, "xmin,ymin,xmax", "xmin, ymin, xmax, ymax"),
        ({"kind": "label", "names": ["a", "b"]}, "p_a,b", "predicted, or p_a, p_b"),
    ],
)
def test_a_table_that_lacks_a_column_is_reported(
    root: Path, given: dict[str, Any], columns: str, expected: str
) -> None:
    header = ("name", *columns.split(","))
    write_csv(root / "t.csv", header, ("a", *["1"] * (len(header) - 1)))
    with pytest.raises(CnnlibError, match=f"expected name and {expected}$"):
        make(root, targets={"x": {**given, "file": "t.csv"}})


def test_what_does_not_pair_is_reported_at_once(root: Path) -> None:
    save(disc(), root / "masks" / "z.png")
    save(photo(1), root / "images" / "a.png")
    save(photo(1), root / "rooms" / "a.png")
    with pytest.raises(CnnlibError, match=r"(?s)two files of one folder have: 1\n    .*a\.\*"):
        make(root)
    (root / "images" / "a.png").unlink()
    with pytest.raises(CnnlibError) as caught:
        make(root, inputs={"room": "rooms", "image": "images"})
    message = str(caught.value)
    assert "mask targets without an image of the same name in" in message
    assert "images whose room is not in" in message
    assert "and 2 more" in message
    for name in NAMES:
        (root / "masks" / f"{name}.png").unlink(missing_ok=True)
    with pytest.raises(CnnlibError, match=r"targets that no image has: 1\n    mask"):
        make(root)


def test_a_suite_reports_all_broken_files_before_it_trains(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever they are: no other step before the training reads the images of the validation split."""
    for name, seed in (("e", 1), ("b", 2)):
        save(photo(seed), root / "masks" / f"{name}.png")  # photographs are no masks
    for part, names in (("train", "a\nd"), ("val", "b\ne"), ("test", "c\na2")):
        (root / f"{part}.txt").write_text(names)
    save(photo(7), root / "images" / "a2.jpg")
    save(disc(), root / "masks" / "a2.png")
    splits = {part: f"{part}.txt" for part in PARTS}
    dataset = {"name": "folders", "root": str(root), "size": 16, "splits": splits}
    dataset |= {"inputs": {"image": "images"}, "targets": {"mask": "masks"}}
    path = write_suite(root, dataset=dataset, tasks={"mask": {}})
    assert main([str(path), "--out", str(root / "runs")]) == 2
    assert "in colour, where grey levels are expected: 2" in capsys.readouterr().err
    assert not list(root.rglob("*.ckpt"))


def test_broken_files_are_found_by_the_check_alone(root: Path) -> None:
    truncate(root / "images" / "b.jpg")
    save(photo(1), root / "masks" / "d.png")
    data = make(root)
    with pytest.raises(
        CnnlibError, match=r"(?s)not readable as an image: 1\n.*b\.jpg.*in colour.*: 1\n.*d\.png"
    ):
        data.check()
    make(root, check=1).check()  # the first sample alone


def test_a_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with limited(10), pytest.raises(CnnlibError, match="pipe: must be a regular file"):
        only_target(root, {"kind": "box", "file": "pipe"})
