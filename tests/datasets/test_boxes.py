"""Boxes: every format gives the same, and what cannot be used is named."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnlib.datasets import Boxes
from cnnlib.types import CnnlibError, Sample
from tests.datasets.pictures import photo, save, write_csv

OBJECTS = {
    "a": [("cat", (2, 3, 12, 15)), ("dog", (0, 0, 30, 18))],
    "b c": [("dog", (5, 1, 25, 9.5))],
    "d": [("cat", (10, 0, 32, 24))],
    "e": [("dog", (1, 1, 9, 9))],
}
HEIGHT, WIDTH = 24, 32


def voc(name: str, objects: Any, size: tuple[int, int] = (HEIGHT, WIDTH)) -> str:
    edges = ("xmin", "ymin", "xmax", "ymax")
    parts = "".join(
        f"<object><name>{label}</name><bndbox>"
        + "".join(f"<{edge}>{value}</{edge}>" for edge, value in zip(edges, box, strict=True))
        + "</bndbox></object>"
        for label, box in objects
    )
    head = f"<filename>{name}.png</filename><size><width>{size[1]}</width><height>{size[0]}</height></size>"
    return f"<annotation>{head}{parts}</annotation>"


def write_voc(root: Path) -> str:
    (root / "xml").mkdir()
    for name, objects in OBJECTS.items():
        (root / "xml" / f"{name}.xml").write_text(voc(name, objects))
    return "xml"


def write_text(root: Path) -> str:
    (root / "txt").mkdir()
    for name, objects in OBJECTS.items():
        lines = [" ".join(map(str, (label, *box))) for label, box in objects]
        (root / "txt" / f"{name}.txt").write_text("# class xmin ymin xmax ymax\n" + "\n".join(lines) + "\n")
    return "txt"


def write_table(root: Path) -> str:
    rows = [
        (f"{name}.png", str(WIDTH), str(HEIGHT), label, *map(str, box))
        for name, objects in OBJECTS.items()
        for label, box in objects
    ]
    write_csv(
        root / "boxes.csv", ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"), *rows
    )
    return "boxes.csv"


def via() -> dict[str, Any]:
    return {
        f"{name}.png123": {
            "filename": f"{name}.png",
            "size": 123,
            "regions": [
                {
                    "shape_attributes": {
                        "name": "rect",
                        "x": box[0],
                        "y": box[1],
                        "width": box[2] - box[0],
                        "height": box[3] - box[1],
                    },
                    "region_attributes": {"class": label, "color": "white"},
                }
                for label, box in objects
            ],
        }
        for name, objects in OBJECTS.items()
    }


def coco() -> dict[str, Any]:
    categories = [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}]
    ids = {each["name"]: each["id"] for each in categories}
    return {
        "images": [
            {"id": i, "file_name": f"{name}.png", "width": WIDTH, "height": HEIGHT}
            for i, name in enumerate(OBJECTS)
        ],
        "categories": categories,
        "annotations": [
            {
                "image_id": i,
                "category_id": ids[label],
                "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            }
            for i, objects in enumerate(OBJECTS.values())
            for label, box in objects
        ],
    }


def write_json(content: Callable[[], Any], wrap: str = "") -> Callable[[Path], str]:
    def write(root: Path) -> str:
        (root / "boxes.json").write_text(json.dumps({wrap: content()} if wrap else content()))
        return "boxes.json"

    return write


FORMATS = {
    "VOC": write_voc,
    "text": write_text,
    "CSV": write_table,
    "VIA": write_json(via),
    "VIA project": write_json(via, "_via_img_metadata"),
    "COCO": write_json(coco),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, name in enumerate(OBJECTS):
        save(photo(seed, HEIGHT, WIDTH), tmp_path / "images" / f"{name}.png")
    return tmp_path


def samples(data: Boxes) -> dict[str, Sample]:
    parts = [data.split(part) for part in ("train", "val", "test")]
    found = [split[index] for split in parts for index in range(len(split))]
    return {sample["name"]: sample for sample in sorted(found, key=lambda sample: sample["name"])}


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS.keys())
def test_every_format_gives_the_same_boxes_and_classes(root: Path, write: Callable[[Path], str]) -> None:
    data = Boxes(str(root), write(root), "images")
    data.check()
    found = samples(data)
    assert list(found) == sorted(OBJECTS)
    assert data.targets["label"].names == ("cat", "dog")
    for name, objects in OBJECTS.items():
        label, box = objects[0]
        assert found[name]["box"].value.tolist() == list(box)
        assert data.targets["label"].names[found[name]["label"].value] == label


def test_the_object_that_counts_is_chosen(root: Path) -> None:
    annotations = write_voc(root)
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
    annotations = write_voc(root)
    (root / "xml" / "d.xml").write_text(voc("d", [("cat", box)]))
    with pytest.raises(CnnlibError, match=rf"{message}.*: 1\n.*d\.xml"):
        Boxes(str(root), annotations, "images").check()


def test_a_box_that_reaches_beyond_its_picture_is_cut(root: Path) -> None:
    annotations = write_voc(root)
    (root / "xml" / "d.xml").write_text(voc("d", [("cat", (-1, 2, 33, 25))]))
    data = Boxes(str(root), annotations, "images")
    data.check()
    assert samples(data)["d"]["box"].value.tolist() == [0, 2, WIDTH, HEIGHT]


def test_an_annotation_for_another_size_is_reported(root: Path) -> None:
    annotations = write_voc(root)
    (root / "xml" / "d.xml").write_text(voc("d", OBJECTS["d"], (WIDTH, HEIGHT)))
    with pytest.raises(
        CnnlibError, match=r"made for a picture of another size: 1\n.*24 x 32; the picture is 32 x 24"
    ):
        Boxes(str(root), annotations, "images").check()


def test_what_has_no_partner_is_left_out_and_reported(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    annotations = write_voc(root)
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
    annotations = write_voc(root)
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
    given = {"annotations": FORMATS["VIA"](root), "images": "images"} | options
    with pytest.raises(CnnlibError, match=message):
        Boxes(str(root), **given)


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><annotation>&b;</annotation>'


@pytest.mark.parametrize("content", [BOMB, "", "<annotation>", "<html/>", "\0", "<" * 10**5])
def test_no_xml_is_believed_that_is_none(root: Path, content: str) -> None:
    annotations = write_voc(root)
    (root / "xml" / "d.xml").write_text(content)
    with pytest.raises(CnnlibError, match=r"XML files that .*: 1\n.*d\.xml"):
        Boxes(str(root), annotations, "images")


PIECES = [
    b"",
    b"\0",
    b'"',
    b",",
    b"\n",
    b"1e999",
    b"-",
    b"[",
    b"{}",
    b"\xff\xfe",
    b"9" * 5000,
    b"null",
    b"<",
    b"&lol;",
]


def mutilate(content: bytes, seed: int) -> bytes:
    rng, changed = random.Random(seed), bytearray(content)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(changed) or 1)
        changed[at : at + rng.choice([0, 1, 1, 20, 200])] = rng.choice(PIECES)
    return bytes(changed)


@pytest.mark.parametrize("key", FORMATS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_mutilated_files_are_errors_for_people_or_harmless(root: Path, key: str, seed: int) -> None:
    kept = root / "kept"
    if not kept.exists():
        kept.mkdir()
        FORMATS[key](kept)
    annotations = next(kept.iterdir())
    victim = annotations if annotations.is_file() else sorted(annotations.iterdir())[0]
    whole = victim.read_bytes()
    try:
        victim.write_bytes(mutilate(whole, seed))
        data = Boxes(str(root), f"kept/{annotations.name}", "images", size=8)
        data.check()
    except CnnlibError:
        return
    finally:
        victim.write_bytes(whole)
    for sample in samples(data).values():
        left, upper, right, lower = sample["box"].value.tolist()
        assert 0 <= left < right <= 8
        assert 0 <= upper < lower <= 8
