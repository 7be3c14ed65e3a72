"""Every data set of the table keeps the contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cnnlib.datasets import (
    DATASETS,
    Boxes,
    Cityscapes,
    CroppedScenes,
    Faces,
    Feet,
    FgBg,
    Folders,
    HuggingFace,
    Keypoints,
    LabelStudio,
    NYUv2,
    Phones,
    Scenes,
    Shards,
)
from cnnlib.datasets.shards.writer import write_shards
from cnnlib.types import DataSource
from tests.dataset_contract import DATASET_CONTRACT
from tests.datasets.box_files import voc
from tests.datasets.composites.made_pictures import composites, write_pictures
from tests.datasets.hugging_face_tables import TARGETS, write_table
from tests.datasets.paper_files import save_picture
from tests.datasets.pictures import HEIGHT, WIDTH, disc, photo, ramp, save, write_csv


def scenes(root: Path) -> DataSource:
    return Scenes(size=24, train=6, val=2, test=2, cache_dir=str(root))


def phones(root: Path) -> DataSource:
    return Phones(size=24, train=6, val=2, test=2, cache_dir=str(root))


def faces(root: Path) -> DataSource:
    return Faces(size=24, train=6, val=2, test=2, cache_dir=str(root))


def feet(root: Path) -> DataSource:
    return Feet(size=24, train=6, val=2, test=2, cache_dir=str(root))


def cropped_scenes(root: Path) -> DataSource:
    return CroppedScenes(size=24, fit="pad", train=6, val=2, test=2, cache_dir=str(root))


def folders(root: Path) -> DataSource:
    """Two inputs and a target of every sort; some labels are missing, and files differ in size."""
    rows = [("name", "nose_x", "nose_y", "tail_x", "tail_y")]
    for number in range(12):
        name = f"{('cats', 'dogs')[number % 2]}/{number // 4}-{number}.png"
        save(photo(number, HEIGHT + number, WIDTH), root / "room" / name)
        save(photo(number + 100, HEIGHT, WIDTH), root / "photo" / name)
        if number % 3:
            save(disc(), root / "mask" / name)
            save(ramp(), root / "depth" / name)
        save((disc() // 255).astype(np.uint8), root / "classes" / name)
        if number % 4:
            rows.append((name, str(2 + number), "7.5", "" if number == 5 else "20", "3"))
    write_csv(root / "points.csv", *rows)
    return Folders(
        str(root),
        inputs={"room": "room", "photo": "photo"},
        targets={
            "mask": "mask",
            "far": {"kind": "depth", "folder": "depth", "scale": 0.02, "unit": "m"},
            "parts": {"kind": "semantic", "folder": "classes", "names": ["other", "disc"]},
            "spots": {
                "kind": "points",
                "file": "points.csv",
                "names": ["nose", "tail"],
                "flip_order": [1, 0],
            },
            "animal": {"kind": "label", "by_folder": True},
        },
        size=16,
        val=0.3,
        test=0.3,
        group_pattern=r"(\d+)-",
    )


def fg_bg(root: Path) -> DataSource:
    for number in range(5, 65, 5):
        for folder, picture in (("fg_bg", photo(number)), ("fg_bg_mask", disc()), ("fg_bg_depth", ramp())):
            save(picture, root / folder / f"img_{number:04d}.png")
        save(photo(number + 100), root / "bg" / f"bg_{-(-number // 10):03d}.png")
    (root / "fg_bg_mask" / "img_0030.png").unlink()
    return FgBg(str(root), val=0.2, test=0.2, depth_scale=0.02)


def keypoints(root: Path) -> DataSource:
    """Two files and folders of pictures that differ in size, cropped; a point is missing, another outside."""
    header = ("", "left_x", "left_y", "right_x", "right_y", "xmin", "ymin", "xmax", "ymax")
    for folder in ("one", "two"):
        rows = [header]
        for number in range(6):
            save(photo(number, HEIGHT + number, WIDTH), root / folder / f"{number}_1.jpg")
            first = "" if number == 2 else str(3 + number)
            rows.append((f"{number}_1.jpg", first, "4", str(number - 2), "9", "0", "1", "16", "20.5"))
        write_csv(root / f"{folder}.csv", *rows)
    return Keypoints(
        str(root),
        ["one.csv", "two.csv"],
        ["one", "two"],
        size=16,
        crop="box",
        val=0.3,
        test=0.3,
        group_pattern=r"(\d+)_",
    )


def boxes(root: Path) -> DataSource:
    """Two folders of pictures that differ in size, padded; XML and a table; some reach beyond their picture."""
    (root / "one.xml").mkdir()
    rows = [("name", "class", "xmin", "ymin", "xmax", "ymax")]
    for number in range(6):
        label, box = ("cat", "dog")[number % 2], (number - 1, 2, WIDTH + 1, 9 + number)
        for folder in ("one", "two"):
            save(photo(number, HEIGHT + number, WIDTH), root / folder / f"{number}_1.jpg")
        (root / "one.xml" / f"{number}_1.xml").write_text(voc("", [(label, box)], (HEIGHT + number, WIDTH)))
        rows.append((f"{number}_1.jpg", label, *map(str, box)))
    write_csv(root / "two.csv", *rows)
    return Boxes(
        str(root),
        ["one.xml", "two.csv"],
        ["one", "two"],
        object="only",
        size=16,
        fit="pad",
        val=0.3,
        test=0.3,
        group_pattern=r"(\d+)_",
    )


def label_studio(root: Path) -> DataSource:
    """Two people's exports; one image has no label."""
    choices = {"type": "choices", "from_name": "c", "to_name": "i"}
    for person in ("anna", "bert"):
        tasks = []
        for number in range(6):
            save(photo(number + 10 * len(tasks), HEIGHT, WIDTH), root / person / f"{number}{person}.png")
            value = {"choices": [("left", "right")[number % 2]]}
            result = [] if number == 5 else [{**choices, "value": value}]
            file = f"{number:08x}-{number}{person}.png"
            tasks.append({"id": number, "file_upload": file, "data": {}, "annotations": [{"result": result}]})
        (root / person / "labels.json").write_text(json.dumps(tasks))
    return LabelStudio(str(root), size=16, val=0.3, test=0.3)


def nyuv2(root: Path) -> DataSource:
    for number in range(8):
        save_picture(root / ("val" if number > 5 else "train"), number, classes=13, axes=(1, -1, -1))
    return NYUv2(str(root), val=0.3)


def cityscapes(root: Path) -> DataSource:
    for number in range(8):
        save_picture(root / ("val" if number > 5 else "train"), number, classes=19, label="label_19")
    return Cityscapes(str(root), classes=19, val=0.3)


def shards(root: Path) -> DataSource:
    """Of the folders: two inputs, a target of every sort, groups and missing labels."""
    write_shards(folders(root / "files"), root / "shards", {}, samples_per_shard=4)
    return Shards(str(root / "shards"))


def hugging_face(root: Path) -> DataSource:
    """A target of every sort from the columns of one table, groups, and missing labels."""
    write_table(root / "table", 14)
    return HuggingFace(
        str(root / "table"),
        {"room": "photo", "image": "photo"},
        TARGETS,
        val=0.2,
        test=0.2,
        group_column="scene",
        size=16,
        fit="pad",
    )


EXAMPLES: dict[str, Callable[[Path], DataSource]] = {
    "scenes": scenes,
    "cropped_scenes": cropped_scenes,
    "phones": phones,
    "faces": faces,
    "feet": feet,
    "folders": folders,
    "fg_bg": fg_bg,
    "keypoints": keypoints,
    "boxes": boxes,
    "label_studio": label_studio,
    "nyuv2": nyuv2,
    "cityscapes": cityscapes,
    "composite": lambda folder: composites(write_pictures(folder), positions=1),
    "shards": shards,
    "hugging_face": hugging_face,
}
"""A small data set of each entry of ``DATASETS``, with its files in a folder."""


@pytest.fixture(scope="module", params=DATASETS)
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    assert request.param in EXAMPLES, "add a small example of the data set to EXAMPLES"
    return EXAMPLES[request.param](tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("promise", DATASET_CONTRACT, ids=lambda promise: promise.__name__)
def test_contract(data: DataSource, promise: Callable[[DataSource], None]) -> None:
    promise(data)
