"""Points in images: every format gives the same points, and image and points move together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnnlib.datasets import Keypoints
from cnnlib.datasets.face_68 import FLIP_ORDER, NAMES
from cnnlib.types import CnnlibError
from tests.datasets.pictures import HEIGHT, PARTS, WIDTH, photo, samples, save, write_csv
from tests.datasets.point_files import FORMATS, IMAGES, POINTS, coco


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, name in enumerate(IMAGES):
        save(photo(seed), tmp_path / "images" / f"{name}.jpg")
    return tmp_path


def make(root: Path, text: str | None = None, **options: Any) -> Keypoints:
    if text is not None:
        (root / "points").write_text(text)
    return Keypoints(str(root), **{"annotations": "points", "images": "images"} | options)


@pytest.mark.parametrize("text", FORMATS.values(), ids=FORMATS.keys())
@pytest.mark.parametrize("oddity", ["", "byte-order mark", "CRLF"])
def test_every_format_gives_the_same_points(root: Path, text: str, oddity: str) -> None:
    encoded = ("\ufeff" * (oddity == "byte-order mark") + text).encode()
    (root / "points").write_bytes(encoded.replace(b"\n", b"\r\n") if oddity == "CRLF" else encoded)
    data = make(root, names=["left_eye", "right_eye"])
    data.check()
    found = {sample["name"]: sample["points"] for sample in samples(data)}
    assert list(found) == sorted(IMAGES)
    for name, target in found.items():
        np.testing.assert_allclose(target.value, POINTS[name], atol=1e-4)
        assert target.valid.all()


def test_names_and_their_mirrored_order_come_from_the_file_or_the_options(root: Path) -> None:
    def info(text: str, **options: Any) -> tuple[tuple[str, ...], tuple[int, ...]]:
        target = make(root, text, **options).targets["points"]
        return target.names, target.flip_order

    assert info(FORMATS["named"]) == info(FORMATS["COCO"]) == (("left_eye", "right_eye"), ())
    assert info(FORMATS["x0,y0"], flip_order=[1, 0]) == (("point_0", "point_1"), (1, 0))
    with pytest.raises(CnnlibError, match="names none of its 2 points"):
        info(FORMATS["x0,y0"])
    assert info(FORMATS["named"], flip_order=[0, 1])[1] == (0, 1)
    assert info("a b 3 4\nc 5 6\nd_1 7 8")[0] == ("point",)
    face = "\n".join(f"{name}.jpg" + " 3 4" * 68 for name in IMAGES)
    assert info(face, layout="face_68") == (NAMES, FLIP_ORDER)
    with pytest.raises(CnnlibError, match=r"layout face_68 has 68 points, .*points 2"):
        info(FORMATS["text"], layout="face_68")
    with pytest.raises(CnnlibError, match="names has 1 points"):
        info(FORMATS["text"], names=["nose"])
    with pytest.raises(CnnlibError, match="leave these out"):
        info(face, layout="face_68", flip_order=[0])
    with pytest.raises(CnnlibError, match="flip_order must give, for each of the 2 points"):
        info(FORMATS["text"], flip_order=[0, 2])


def test_the_unit_is_told_by_the_values_or_by_the_user(root: Path) -> None:
    def value(text: str, **options: Any) -> list[float]:
        return samples(make(root, text, **options))[0]["points"].value[0].tolist()

    half = "a b 0.5 0.25\nc 0.1 0.2\nd_1 0.4 0.3"
    assert value(half) == [WIDTH / 2 - 0.5, HEIGHT / 4 - 0.5]  # shares are counted from the corner
    assert value(half, normalized=False) == [0.5, 0.25]
    assert value("a b 5 2.5\nc 0.1 0.2\nd_1 20 30") == [5, 2.5]
    for unclear in (half.replace("0.3", "-0.1"), "a b 0 1\nc 1 1\nd_1 1 0"):
        with pytest.raises(CnnlibError, match="may be pixels or shares of width and height; set normalized"):
            make(root, unclear)
        make(root, unclear, normalized=True)
    with pytest.raises(CnnlibError, match=r"(?s)points, line 3: d_1: a point lies at x=639.5.* far outside"):
        make(root, half.replace("0.4 ", "20 "), normalized=True).check()


def test_what_is_not_known_or_outside_of_the_picture_is_not_valid(root: Path) -> None:
    rows = ["name,p_x,p_y,q_x,q_y", "a b,3,,5,6", "c,nan,4,5,6", f"d_1,-1,4,{WIDTH - 1},6", '"e, f",,,,']
    found = {
        sample["name"]: sample["points"].valid.tolist() for sample in samples(make(root, "\n".join(rows)))
    }
    assert found == {"a b": [False, True], "c": [False, True], "d_1": [False, True]}
    hidden = coco()
    hidden["annotations"][1]["keypoints"][5] = 0
    found = {sample["name"]: sample["points"] for sample in samples(make(root, json.dumps(hidden)))}
    assert found["c"].valid.tolist() == [True, False]
    assert found["c"].value.isfinite().all()


def with_dots(root: Path) -> None:
    """Pictures of different sizes, black but for a soft dot at each of two points; shares beside pixels."""
    rows, in_shares = [], []
    for number in range(6):
        rng = np.random.default_rng(number)
        height, width = rng.integers(80, 140, 2)
        points = np.add(rng.uniform(15, 25, (2, 2)), [(0, 0), (width - 43, height - 43)])
        y, x = np.mgrid[:height, :width]
        dots = np.stack([np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8) for px, py in points], -1)
        save(
            (255 * np.pad(dots, ((0, 0), (0, 0), (0, 1)))).round().astype(np.uint8),
            root / "dots" / f"{number}.png",
        )
        low, high = points.min(0) + 0.5, points.max(0) + 0.5
        numbers = [*points.ravel(), *low, *high]
        rows.append((f"{number}.png", *map(str, numbers)))
        size = np.tile((width, height), 4)
        in_shares.append((f"{number}.png", *map(str, np.add(numbers, [0.5] * 4 + [0] * 4) / size)))
    header = ("name", "p_x", "p_y", "q_x", "q_y", "xmin", "ymin", "xmax", "ymax")
    write_csv(root / "pixels.csv", header, *rows)
    write_csv(root / "shares.csv", header, *in_shares)


@pytest.mark.parametrize("crop", [None, "box", "points"])
@pytest.mark.parametrize("file", ["pixels.csv", "shares.csv"])
def test_points_stay_on_what_they_mark(tmp_path: Path, crop: Any, file: str) -> None:
    """The weighted mean of a dot's pixels is its centre, whatever was cropped and resized."""
    with_dots(tmp_path)
    data = Keypoints(str(tmp_path), file, "dots", size=96, crop=crop, margin=0.4)
    data.check()
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    for sample in samples(data):
        for channel, point in enumerate(sample["points"].value):
            weight = sample["image"][channel] / sample["image"][channel].sum()
            found = torch.stack([(weight * x).sum(), (weight * y).sum()])
            torch.testing.assert_close(found, point, atol=0.2, rtol=0)
        assert sample["points"].valid.all()


def test_a_crop_is_square_black_outside_of_the_picture_and_leaves_points_out(root: Path) -> None:
    save(np.full((HEIGHT, WIDTH, 3), 255, np.uint8), root / "images" / "c.png")
    (root / "images" / "c.jpg").unlink()
    text = "name,p_x,p_y,q_x,q_y,xmin,ymin,xmax,ymax\n" + "\n".join(
        f'"{name}",4.5,4.5,20.5,20.5,0,0,10,8' for name in IMAGES
    )
    found = {sample["name"]: sample for sample in samples(make(root, text, size=30, crop="box", margin=0.25))}
    # 10 pixels and a quarter on each side: 15, around (5, 4), so from (-2, -4), and shown twice as large
    image, points = found["c"]["image"], found["c"]["points"]
    assert image[:, :6].max() == image[:, :, :3].max() == 0
    assert image[:, 10:, 6:].min() == 1
    np.testing.assert_allclose(points.value[0], [2 * (5 + 2) - 0.5, 2 * (5 + 4) - 0.5], atol=1)
    assert points.valid.tolist() == [True, False]
    with pytest.raises(CnnlibError, match="crop needs size"):
        make(root, crop="box")
    with pytest.raises(CnnlibError, match=r"annotations without a box .*: 4\n"):
        make(root, FORMATS["text"], names=["p", "q"], size=9, crop="box")
    for box in ("9,9,9,9", "500,500,510,510"):
        with pytest.raises(
            CnnlibError, match=r"(?s)not usable as points: 4\n.*box to crop to.*empty or far outside"
        ):
            make(root, text.replace("0,0,10,8", box), size=9, crop="box").check()


def test_images_and_annotations_without_a_partner_are_left_out_and_reported(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(photo(9), root / "images" / "plain.jpg")
    eyes = ["left_eye", "right_eye"]
    data = make(root, FORMATS["text"] + "\ngone.jpg 1 2 3 4", names=eyes)
    assert len(samples(data)) == len(IMAGES)
    data.check()
    told = capsys.readouterr().err
    assert "left out 1 images without a known point: plain\n" in told
    assert f"left out 1 annotations without an image: gone.jpg ({root / 'points'}, line 7)\n" in told
    lost = "".join(f"\ngone_{i}.jpg 1 2 3 4" for i in range(5))
    with pytest.raises(CnnlibError, match=r"annotations without an image \(more than half of all;.*: 5\n"):
        make(root, FORMATS["text"] + lost, names=eyes)
    for i in range(len(IMAGES)):  # as in test folders of which a part alone is labelled
        save(photo(i), root / "images" / f"plain_{i}.jpg")
    assert len(samples(make(root, FORMATS["text"], names=eyes))) == len(IMAGES)


def test_images_are_found_in_folders_and_whatever_they_are_called(root: Path) -> None:
    for seed, name in enumerate(("x/1", "x/y/2", "z/3", "z/1")):
        save(
            np.dstack([photo(seed), np.full((HEIGHT, WIDTH), 255)]).astype(np.uint8),
            root / "deep" / f"{name}.png",
        )
        (root / "deep" / f"{name}.png").rename(root / "deep" / f"{name}.jpg")  # as in the YouTube Faces
    data = make(root, "x/1.jpg 3 4\n./x\\y\\2.png 5 6\n3 7 8", images="deep")
    data.check()
    assert {s["name"]: s["points"].value.tolist() for s in samples(data)} == {
        "x/1": [[3, 4]],
        "x/y/2": [[5, 6]],
        "z/3": [[7, 8]],
    }
    with pytest.raises(
        CnnlibError, match=r"(?s)images with several annotations.*: 1\n    z/3: .*line 3 and .*line 4"
    ):
        make(root, "x/1.jpg 3 4\nx/y/2.png 5 6\n3 7 8\nz/3 7 8", images="deep")
    several = coco()
    several["annotations"].append(several["annotations"][1])
    with pytest.raises(
        CnnlibError, match=r"(?s)images with several annotations.*: 1\n    c: .*annotations\.1 and"
    ):
        make(root, json.dumps(several))


def test_a_group_is_not_divided_though_its_pictures_lie_in_two_folders(tmp_path: Path) -> None:
    for folder in ("training", "test"):
        lines = []
        for number, person in enumerate("abcdef"):
            save(photo(number), tmp_path / folder / f"{person}_{number}.jpg")
            lines.append(f"{person}_{number}.jpg 3 4")
        (tmp_path / f"{folder}.txt").write_text("\n".join(lines))
    data = Keypoints(
        str(tmp_path),
        ["training.txt", "test.txt"],
        ["training", "test"],
        val=0.3,
        test=0.3,
        group_pattern=r"(.+)_\d+$",
    )
    seen: dict[str, list[str]] = {}
    for part in PARTS:
        split = data.split(part)
        for i in range(len(split)):
            seen.setdefault(split[i]["group"], []).append(part)
    assert sorted(seen) == list("abcdef")
    assert all(len(parts) == 2 and len(set(parts)) == 1 for parts in seen.values())
    one = Keypoints(str(tmp_path), ["training.txt"], ["training/"])
    assert samples(one)[0]["name"] == "a_0"
    with pytest.raises(
        CnnlibError, match="images must name one folder, or one for each of the 1 annotations"
    ):
        Keypoints(str(tmp_path), "training.txt", ["training", "test"])
    (tmp_path / "test.txt").write_text("a_0.jpg 3 4 5 6")
    with pytest.raises(
        CnnlibError, match=r"all files must have the same points; .*training.txt has 1 .*test.txt 2"
    ):
        Keypoints(str(tmp_path), ["training.txt", "test.txt"], ["training", "test"])


def test_all_that_is_wrong_with_files_is_reported_at_once(root: Path) -> None:
    (root / "more").write_text("a b.jpg 1 2 3 4\nc.jpg 1 two 3 4\nd_1.jpg 1 2\nx y")
    (root / "json").write_text('{"images": [{"id": 0}], "categories": [], "annotations": 3}')
    (root / "latin").write_bytes("f\xfcnf 1 2".encode("latin-1"))
    (root / "columns").write_text("name,width,height\na,3,4")
    text = "name,x0,y0\na b,3,4\nc,3,1O\nd_1,3\n,3,4"
    names = ["points", "more", "json", "latin", "columns", "empty", "commas", "nothing"]
    (root / "empty").write_text("")
    (root / "commas").write_text(",,\n")
    with pytest.raises(CnnlibError) as error:
        make(root, text, annotations=names)
    for told in (
        "points, line 3, column 'y0': '1O'",
        "points, line 4: 2, expected 3",
        "lines without the name of an image: 1",
        "more, line 2, number 2: 'two'",
        "more, line 3: 2, expected 4",
        "more, line 4: 'x y'",
        "json: images.0.file_name is missing",
        "json: annotations must be a list; it is '3'",
        "latin: 'utf-8' codec can't decode",
        "columns: name, width, height",
        "commas: \n",
        f"without a usable annotation: 1\n    {root / 'empty'}",
        "nothing'",
    ):
        assert told in str(error.value)
