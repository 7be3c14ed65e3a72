"""Boxes: every format gives the same, and what cannot be used is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnnlib.datasets import Boxes
from cnnlib.datasets.folds import fold_splits
from cnnlib.types import CnnlibError, Sample
from tests.datasets.box_files import FORMATS, OBJECTS, coco, via, voc, write, write_pictures
from tests.datasets.pictures import HEIGHT, WIDTH, photo, save, write_csv


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "images")
    return tmp_path


def samples(data: Boxes) -> dict[str, Sample]:
    parts = [data.split(part) for part in ("train", "val", "test")]
    found = [split[index] for split in parts for index in range(len(split))]
    return {sample["name"]: sample for sample in sorted(found, key=lambda sample: sample["name"])}


@pytest.mark.parametrize("key", FORMATS)
def test_every_format_gives_the_same_boxes_and_classes(root: Path, key: str) -> None:
    data = Boxes(str(root), write(root, key), "images")
    data.check()
    found = samples(data)
    assert list(found) == sorted(OBJECTS)
    assert data.targets["label"].names == ("cat", "dog")
    for name, objects in OBJECTS.items():
        label, box = objects[0]
        assert found[name]["box"].value.tolist() == list(box)
        assert data.targets["label"].names[found[name]["label"].value] == label


def test_the_object_that_counts_is_chosen(root: Path) -> None:
    annotations = write(root, "VOC")
    largest = samples(Boxes(str(root), annotations, "images", object="largest"))
    assert largest["a"]["box"].value.tolist() == [0, 0, 30, 18]
    with pytest.raises(CnnlibError, match=r"images of several objects; set object .*: 1\n.*a\.xml"):
        Boxes(str(root), annotations, "images", object="only")


@pytest.mark.parametrize("size", [32, 50])
@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_boxes_stay_around_what_they_mark(tmp_path: Path, fit: Any, size: int) -> None:
    """A white rectangle's edges, found in the resized picture, are the box's, and lie where the original's map to."""
    rows = [("name", "class", "xmin", "ymin", "xmax", "ymax")]
    for number, (height, width) in enumerate([(40, 100), (100, 40), (60, 60), (33, 77)]):
        picture = np.zeros((height, width, 3), np.uint8)
        left, upper, right, lower = (5 + number, 8, width // 2, height - 4)
        picture[upper:lower, left:right] = 255
        save(picture, tmp_path / "images" / f"{number}.png")
        rows.append((f"{number}.png", "ab"[number % 2], *map(str, (left, upper, right, lower))))
    write_csv(tmp_path / "boxes.csv", *rows)
    for sample in samples(Boxes(str(tmp_path), "boxes.csv", "images", size=size, fit=fit)).values():
        assert sample["image"].shape == (3, size, size)
        light = sample["image"][0]
        found = [edge for axis in (0, 1) for edge in _edges(light.amax(axis))]
        left, right, upper, lower = found
        torch.testing.assert_close(
            sample["box"].value, torch.tensor([left, upper, right, lower]), atol=0.5, rtol=0
        )


def _edges(profile: torch.Tensor) -> tuple[float, float]:
    """Where a bar of light begins and ends, from the sum of its pixels and its middle."""
    profile = profile / profile.max()
    length = float(profile.sum())
    middle = float((profile * (torch.arange(len(profile)) + 0.5)).sum() / profile.sum())
    return middle - length / 2, middle + length / 2


FAULTS = {
    "inverted": ((9, 3, 2, 8), "empty or inverted"),
    "empty": ((9, 3, 9, 8), "empty or inverted"),
    "no number": (("nan", 3, 9, 8), "no finite numbers"),
    "text": (("left", 3, 9, 8), "no finite numbers"),
    "outside": ((28, 20, 60, 50), "lie mostly outside of their picture"),
}


@pytest.mark.parametrize(("box", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_boxes_that_cannot_be_are_reported_by_file(root: Path, box: Any, message: str) -> None:
    annotations = write(root, "VOC")
    (root / "xml" / "d.xml").write_text(voc("d", [("cat", box)]))
    with pytest.raises(CnnlibError, match=rf"{message}.*: 1\n.*d\.xml"):
        Boxes(str(root), annotations, "images").check()


def test_a_box_that_reaches_beyond_its_picture_is_cut(root: Path) -> None:
    annotations = write(root, "VOC")
    (root / "xml" / "d.xml").write_text(voc("d", [("cat", (-1, 2, 33, 25))]))
    data = Boxes(str(root), annotations, "images")
    data.check()
    assert samples(data)["d"]["box"].value.tolist() == [0, 2, WIDTH, HEIGHT]


def test_an_annotation_for_another_size_is_reported(root: Path) -> None:
    annotations = write(root, "VOC")
    (root / "xml" / "d.xml").write_text(voc("d", OBJECTS["d"], (WIDTH, HEIGHT)))
    with pytest.raises(
        CnnlibError, match=r"made for a picture of another size: 1\n.*24 x 32; the picture is 32 x 24"
    ):
        Boxes(str(root), annotations, "images").check()


def test_what_has_no_partner_is_left_out_and_reported(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    annotations = write(root, "VOC")
    save(photo(9, HEIGHT, WIDTH), root / "images" / "plain.png")
    (root / "xml" / "gone.xml").write_text(voc("gone", OBJECTS["d"]))
    (root / "xml" / "e.xml").write_text(voc("e", []))
    data = Boxes(str(root), annotations, "images")
    data.check()
    told = capsys.readouterr().err
    assert "left out 2 images without an object: e, plain\n" in told
    assert "left out 1 annotations without an image: gone" in told
    assert list(samples(data)) == ["a", "b c", "d"]


def test_folders_pair_with_annotations_and_make_one_set(root: Path) -> None:
    annotations = write(root, "VOC")
    for name in OBJECTS:
        save(photo(3, HEIGHT, WIDTH), root / "more" / f"{name}.png")
    (root / "more.csv").write_text(
        "image,label,xmin,ymin,xmax,ymax\n" + "".join(f"{name},bird,1,2,3,4\n" for name in OBJECTS)
    )
    data = Boxes(str(root), [annotations, "more.csv"], ["images", "more"])
    assert data.targets["label"].names == ("bird", "cat", "dog")
    assert len(samples(data)) == 2 * len(OBJECTS)
    one = Boxes(str(root), "more.csv", "more")
    assert "label" not in one.targets


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"annotations": "gone"}, "no file or folder"),
        ({"names": ["cat"]}, r"objects of a class that names does not list: 2\n"),
        ({"fit": "pad"}, "fit: pad needs size"),
        ({"class_attribute": "clas"}, r"no attribute|has the attribute 'clas' \(did you mean 'class'\?\)"),
    ],
)
def test_options_that_cannot_work_are_refused(root: Path, options: dict[str, Any], message: str) -> None:
    given = {"annotations": write(root, "VIA"), "images": "images"} | options
    with pytest.raises(CnnlibError, match=message):
        Boxes(str(root), **given)


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><annotation>&b;</annotation>'


@pytest.mark.parametrize("content", [BOMB, "", "<annotation>", "<html/>", "\0", "<" * 10**5])
def test_no_xml_is_believed_that_is_none(root: Path, content: str) -> None:
    annotations = write(root, "VOC")
    (root / "xml" / "d.xml").write_text(content)
    with pytest.raises(CnnlibError, match=r"XML files that .*: 1\n.*d\.xml"):
        Boxes(str(root), annotations, "images")


def test_folds_keep_the_shares_of_classes_and_the_groups(tmp_path: Path) -> None:
    rows = [("name", "class", "xmin", "ymin", "xmax", "ymax")]
    for number in range(24):
        name = f"{number // 2}_{number % 2}"
        save(photo(number, HEIGHT, WIDTH), tmp_path / "images" / f"{name}.png")
        rows.append((name, "dog" if number < 8 else "cat", "1", "2", "9", "12"))
    write_csv(tmp_path / "boxes.csv", *rows)
    for options, most in (({}, 1), ({"group_pattern": r"(\d+)_"}, 2)):
        data = Boxes(str(tmp_path), "boxes.csv", "images", **options)
        tests = [fold_splits(data, 4, fold, partition=0)["test"] for fold in range(4)]
        found = [[test[index] for index in range(len(test))] for test in tests]
        for test in found:
            classes = [data.targets["label"].names[sample["label"].value] for sample in test]
            assert abs(classes.count("dog") - 2) < most
        seen = [{sample["group"] for sample in test} for test in found] if options else []
        assert sum(map(len, seen)) == len(set().union(*seen))


def _change_json(root: Path, change: Callable[[Any], None], content: Any) -> str:
    change(content)
    (root / "boxes.json").write_text(json.dumps(content))
    return "boxes.json"


def _first_via(content: Any, **attributes: Any) -> None:
    region = content["a.png123"]["regions"][0]
    region["shape_attributes"].update(attributes.pop("shape", {}))
    region["region_attributes"].update(attributes)


AMBIGUOUS: dict[str, tuple[Callable[[Any], None], Callable[[], Any], str]] = {
    "image id": (
        lambda file: file["images"][1].update(id=0),
        coco,
        r"ids that several entries have: 1\n.*images: 0",
    ),
    "category id": (
        lambda file: file["categories"][1].update(id=7),
        coco,
        r"ids that several entries have: 1\n.*categories: 7",
    ),
    "unknown image": (
        lambda file: file["annotations"][1].update(image_id=99),
        coco,
        r"does not list: 1\n.*annotations.1",
    ),
    "true is no number": (
        lambda file: file["annotations"][0].update(bbox=[True, 1, 2, 3]),
        coco,
        r"no finite numbers: 1\n.*annotations.0: \[True, 1, 2, 3\]",
    ),
    "width of the picture": (
        lambda file: file["images"][0].update(width=3.5),
        coco,
        r"no integers: 1\n.*image 0",
    ),
    "no rectangle": (
        lambda file: _first_via(file, shape={"name": "circle"}),
        via,
        r"no rectangles: 1\n.*a.png123: 'circle'",
    ),
    "negative width": (
        lambda file: _first_via(file, shape={"width": -3}),
        via,
        r"empty or inverted.*: 1\n.*a.png123",
    ),
    "half a character": (
        lambda file: _first_via(file, **{"class": "\ud800"}),
        via,
        r"no name.*: 1\n.*a.png123",
    ),
    "no class": (lambda file: _first_via(file, **{"class": " "}), via, r"without a class: 1\n.*a.png123"),
}


@pytest.mark.parametrize(("change", "content", "message"), AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_a_json_file_leaves_open_is_reported(
    root: Path, change: Any, content: Any, message: str
) -> None:
    with pytest.raises(CnnlibError, match=message):
        Boxes(str(root), _change_json(root, change, content()), "images")


def test_a_key_that_stands_twice_is_reported(root: Path) -> None:
    text = json.dumps(via())
    (root / "boxes.json").write_text(text[:-1] + ", " + json.dumps({"a.png123": {"filename": "d.png"}})[1:])
    with pytest.raises(
        CnnlibError, match=r"boxes.json cannot be used: an object has the key 'a.png123' twice"
    ):
        Boxes(str(root), "boxes.json", "images")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a.png,32,24,cat,1,2,9,9", "a.png,99,24,dog,1,2,9,9"], r"different sizes: 1\n.*line 3: \(24, 99\)"),
        (["a.png,32,about 24,cat,1,2,9,9"], r"no integers: 1\n.*line 2: \[about 24, 32\]"),
        (["a.png,32,24,cat,1_0,2,19,9"], r"no finite numbers: 1\n.*line 2: \[1_0, 2, 19, 9\]"),
    ],
)
def test_what_a_table_leaves_open_is_reported(root: Path, rows: list[str], message: str) -> None:
    head = "filename,width,height,class,xmin,ymin,xmax,ymax"
    (root / "boxes.csv").write_text("\n".join([head, *rows]))
    with pytest.raises(CnnlibError, match=message):
        Boxes(str(root), "boxes.csv", "images")
    (root / "boxes.csv").write_text(head.replace("width", "class") + "\n")
    with pytest.raises(CnnlibError, match="has several columns 'class'"):
        Boxes(str(root), "boxes.csv", "images")


@pytest.mark.parametrize("box", [(0.1, 0.2, 0.7, 0.9), (1, 1, 1 + 1e-12, 9)])
def test_shares_and_boxes_without_extent_are_reported(root: Path, box: Any) -> None:
    annotations = write(root, "VOC")
    (root / "xml" / "d.xml").write_text(voc("d", [("cat", box)]))
    with pytest.raises(CnnlibError, match=r"not usable as a box: 1\n.*d\.xml"):
        Boxes(str(root), annotations, "images").check()


def test_a_folder_of_annotations_may_hold_other_things(root: Path) -> None:
    """Notes beside XML, hidden copies; folders as those of the images tell equal names apart."""
    annotations = write(root, "VOC")
    (root / "xml" / "README.txt").write_text("by hand")
    (root / "xml" / ".copies").mkdir()
    (root / "xml" / ".copies" / "d.xml").write_text(voc("d", OBJECTS["a"]))
    for folder, box in (("x", (1, 2, 3, 4)), ("y", (5, 6, 7, 8))):
        (root / "xml" / folder).mkdir()
        (root / "xml" / folder / "same.xml").write_text(voc("same", [("cat", box)]))
        save(photo(1, HEIGHT, WIDTH), root / "images" / folder / "same.png")
    found = samples(Boxes(str(root), annotations, "images"))
    assert len(found) == len(OBJECTS) + 2
    assert found["x/same"]["box"].value.tolist() == [1, 2, 3, 4]
    assert found["y/same"]["box"].value.tolist() == [5, 6, 7, 8]


def test_a_file_of_one_image_is_not_read_without_end(root: Path) -> None:
    annotations = write(root, "text")
    (root / "txt" / "d.txt").write_text("cat 1 2 3 4\n" * 10**5)
    with pytest.raises(CnnlibError, match=r"one image with more than 1048576 bytes: 1\n.*d\.txt"):
        Boxes(str(root), annotations, "images")


def test_a_long_name_does_not_fill_the_message(root: Path) -> None:
    content = {
        "x" * 10**6: {"filename": "a.png", "regions": [{"shape_attributes": {}, "region_attributes": {}}]}
    }
    (root / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(CnnlibError) as error:
        Boxes(str(root), "boxes.json", "images")
    assert len(str(error.value)) < 2000
