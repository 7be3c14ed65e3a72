"""The journal's folders, with files as people have them: right, odd and broken."""

from __future__ import annotations

import pickle
import re
import struct
import zlib
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from cnnlib.datasets import FgBg
from cnnlib.types import CnnlibError
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

NUMBERS = (10, 20, 30, 40, 50, 60)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six samples, each with its own background, as PNG."""
    for number in NUMBERS:
        name = f"img_{number:04d}.png"
        save(photo(number), tmp_path / "fg_bg" / name)
        save(photo(1000 + number), tmp_path / "bg" / f"bg_{number // 10:03d}.png")
        save(disc(), tmp_path / "fg_bg_mask" / name)
        save(ramp(), tmp_path / "fg_bg_depth" / name)
    return tmp_path


def by_name(data: FgBg, name: str) -> dict[str, Any]:
    return next(sample for sample in samples(data) if sample["name"] == name)


def test_a_sample_holds_what_the_files_hold(root: Path) -> None:
    sample = by_name(FgBg(str(root)), "img_0030")
    expected = np.concatenate([photo(1030), photo(30)], axis=2).transpose(2, 0, 1) / 255  # bg, then fg_bg
    np.testing.assert_allclose(sample["image"], expected, atol=1e-6)
    np.testing.assert_array_equal(sample["mask"].value[0], disc() == 255)
    np.testing.assert_allclose(sample["depth"].value[0], ramp() / 255, atol=1e-6)
    np.testing.assert_array_equal(sample["depth"].valid[0], ramp() > 0)
    assert sample["group"] == "bg_003"


def test_the_splits_share_no_sample_and_miss_none(root: Path) -> None:
    data = FgBg(str(root), val=0.2, test=0.2)
    names = {
        part: {sample["name"] for sample in (data.split(part)[i] for i in range(len(data.split(part))))}
        for part in PARTS
    }
    assert sorted(chain(*names.values())) == [f"img_{number:04d}" for number in NUMBERS]
    assert all(names.values())
    with pytest.raises(CnnlibError, match="a split is one of train, val, test; got 'validation'"):
        data.split("validation")  # type: ignore[arg-type]


@pytest.mark.parametrize(("group_by", "shared"), [("background", False), ("sample", True)])
def test_a_background_is_in_one_split_unless_asked_otherwise(
    tmp_path: Path, group_by: Any, shared: bool
) -> None:
    for number in range(1, 41):
        for folder, picture in (("fg_bg", photo(1)), ("fg_bg_mask", disc()), ("fg_bg_depth", ramp())):
            save(picture, tmp_path / folder / f"img_{number}.png")
    for number in range(1, 5):
        save(photo(number), tmp_path / "bg" / f"bg_{number:03d}.png")
    data = FgBg(str(tmp_path), val=0.25, test=0.25, group_by=group_by)
    backgrounds = []
    for part in PARTS:
        split = data.split(part)
        numbers = [int(split[i]["name"].removeprefix("img_")) for i in range(len(split))]
        backgrounds.append({(number - 1) // 10 for number in numbers})
    assert [len(data.split(part)) for part in PARTS] == [20, 10, 10]
    assert bool(backgrounds[0] & backgrounds[2]) == shared


def test_a_foreground_is_in_one_split_when_asked(root: Path) -> None:
    for folder in ("fg_bg", "fg_bg_mask", "fg_bg_depth"):
        for number in NUMBERS:
            (root / folder / f"img_{number:04d}.png").rename(
                root / folder / f"img_{number:04d}_fg{number % 3}.png"
            )
    data = FgBg(str(root), group_by="foreground", foreground_pattern=r"_fg(\d+)", val=0.3, test=0.3)
    for part in PARTS:
        split = data.split(part)
        assert len(split) == 2
        assert split[0]["name"][-1] == split[1]["name"][-1]
    with pytest.raises(CnnlibError, match=r"images whose foreground is not known: 2\n    img_0010_fg1\n"):
        FgBg(str(root), group_by="foreground", foreground_pattern=r"_fg([02])")


def test_neither_a_background_nor_a_foreground_is_in_two_splits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for background in range(6):
        save(photo(background), tmp_path / "bg" / f"bg_{background}.png")
        for foreground in range(6):
            name = f"bg_{background}_fg{foreground}.png"
            save(photo(10 * background + foreground), tmp_path / "fg_bg" / name)
            save(disc(), tmp_path / "fg_bg_mask" / name)
    options = {"depth_folder": None, "background_pattern": r"(bg_\d)", "background_divisor": None}
    options |= {"background_name": "{}", "foreground_pattern": r"_fg(\d)", "val": 0.3, "test": 0.3}
    data = FgBg(str(tmp_path), group_by="both", **options)
    names = [{split[i]["name"] for i in range(len(split))} for split in map(data.split, PARTS)]
    for letters in (slice(3, 4), slice(-1, None)):
        sides = [{name[letters] for name in part} for part in names]
        assert all(sides)
        assert sum(map(len, sides)) == 6
    assert sum(map(len, names)) + len(data.left_out) == 36
    assert len(data.left_out) == 36 - 3 * 4
    data.check()
    assert (
        "left out 24 images whose background and foreground fall into different splits"
        in capsys.readouterr().err
    )
    assert data.fixed_test


def test_masks_of_jpeg_greys_become_0_and_1(root: Path) -> None:
    for file in (root / "fg_bg_mask").iterdir():
        file.unlink()
        save(disc(), file.with_suffix(".jpg"), quality=60)
    saved = np.array(Image.open(root / "fg_bg_mask" / "img_0010.jpg"))
    assert len(np.unique(saved)) > 2
    mask = samples(FgBg(str(root)))[0]["mask"].value
    assert mask.unique().tolist() == [0, 1]
    np.testing.assert_array_equal(mask[0], saved >= 128)


def test_depth_of_16_bits_is_millimetres(root: Path) -> None:
    levels = np.linspace(0, 9000, HEIGHT * WIDTH).round().astype(np.uint16).reshape(HEIGHT, WIDTH)
    for file in (root / "fg_bg_depth").iterdir():
        save(levels, file)
    np.testing.assert_allclose(samples(FgBg(str(root)))[0]["depth"].value[0], levels / 1000, rtol=1e-6)
    scaled = samples(FgBg(str(root), depth_scale=0.0002, depth_zero_is_invalid=False))[0]
    np.testing.assert_allclose(scaled["depth"].value[0], levels / 5000, rtol=1e-6)
    assert scaled["depth"].valid.all()


def test_size_resizes_masks_and_depths_without_new_values(root: Path) -> None:
    before, after = samples(FgBg(str(root)))[2], samples(FgBg(str(root), size=15))[2]
    assert after["image"].shape == (6, 15, 15)
    for name in ("mask", "depth"):
        expected = F.interpolate(before[name].value[None], (15, 15), mode="nearest-exact")[0]
        assert torch.equal(after[name].value, expected)
    expected = F.interpolate(before["image"][None], (15, 15), mode="bilinear", antialias=True)[0]
    torch.testing.assert_close(after["image"], expected, atol=2 / 255, rtol=0)  # Pillow rounds to 8 bits


def test_files_of_a_sample_may_differ_in_size_and_take_the_images(root: Path) -> None:
    save(photo(1, 50, 60), root / "bg" / "bg_001.png")
    save(disc(96, 128), root / "fg_bg_mask" / "img_0010.png")
    save(ramp(12, 16), root / "fg_bg_depth" / "img_0010.png")
    sample = by_name(FgBg(str(root)), "img_0010")
    assert sample["image"].shape == (6, HEIGHT, WIDTH)
    shapes = [*sample["depth"], sample["mask"].value]
    assert all(each.shape == (1, HEIGHT, WIDTH) for each in shapes)
    assert (sample["mask"].value[0].numpy() != (disc() == 255)).mean() < 0.05


def as_saved(array: np.ndarray, mode: str) -> Image.Image:
    if mode == "16 bits":
        gray = np.array(Image.fromarray(array).convert("L")).astype(np.uint16)
        return Image.fromarray(gray * 256 + gray // 2)  # what the lower eight bits hold must not matter
    if mode == "P" and array.ndim == 3:
        return Image.fromarray(array).quantize(256)
    return Image.fromarray(array).convert(mode)


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P", "CMYK", "16 bits"])
def test_images_of_every_mode_become_rgb(root: Path, mode: str) -> None:
    file = root / "fg_bg" / ("img_0010.jpg" if mode == "CMYK" else "img_0010.png")
    (root / "fg_bg" / "img_0010.png").unlink()
    as_saved(photo(10), mode).save(file)
    image = by_name(FgBg(str(root)), "img_0010")["image"][3:]
    assert image.shape == (3, HEIGHT, WIDTH)
    expected = photo(10).astype(float) / 255
    if mode in ("L", "LA", "16 bits"):
        expected = np.repeat(np.array(Image.fromarray(photo(10)).convert("L"))[..., None] / 255, 3, axis=2)
    assert np.abs(image.numpy().transpose(1, 2, 0) - expected).mean() < 0.02


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "1", "16 bits"])
def test_masks_of_every_mode_are_understood(root: Path, mode: str) -> None:
    as_saved(disc(), mode).save(root / "fg_bg_mask" / "img_0010.png")
    mask = by_name(FgBg(str(root)), "img_0010")["mask"].value[0]
    np.testing.assert_array_equal(mask, disc() == 255)


def test_a_mask_drawn_in_transparency_is_understood(root: Path) -> None:
    cut_out = np.full((HEIGHT, WIDTH, 4), 255, dtype=np.uint8)
    cut_out[..., 3] = disc()
    save(cut_out, root / "fg_bg_mask" / "img_0010.png")
    mask = by_name(FgBg(str(root)), "img_0010")["mask"].value[0]
    np.testing.assert_array_equal(mask, disc() == 255)


@pytest.mark.parametrize(("dtype", "step"), [(np.uint8, 1), (np.uint16, 257)])
def test_a_mask_is_foreground_from_level_128_on(root: Path, dtype: type[np.generic], step: int) -> None:
    levels = disc().astype(dtype) * step
    levels[0, :4] = np.array([126, 127, 128, 129]) * step
    save(levels, root / "fg_bg_mask" / "img_0010.png")
    mask = by_name(FgBg(str(root)), "img_0010")["mask"].value
    assert mask[0, 0, :5].tolist() == [0, 0, 1, 1, 0]


def test_a_mask_without_foreground_is_a_mask(root: Path) -> None:
    save(np.zeros((HEIGHT, WIDTH), np.uint8), root / "fg_bg_mask" / "img_0010.png")
    assert by_name(FgBg(str(root)), "img_0010")["mask"].value.sum() == 0


def test_images_are_turned_upright(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the picture must be turned clockwise
    lying = np.ascontiguousarray(np.rot90(photo(10)))
    save(lying, root / "fg_bg" / "img_0010.png", exif=exif)
    image = by_name(FgBg(str(root)), "img_0010")["image"][3:]
    np.testing.assert_allclose(image.numpy().transpose(1, 2, 0), photo(10) / 255, atol=1e-6)


def test_an_exif_orientation_that_does_not_exist_is_passed_over(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    save(photo(10), root / "fg_bg" / "img_0010.png", exif=exif)
    assert len(samples(FgBg(str(root)))) == 6


def test_other_files_and_capital_endings_are_no_problem(root: Path) -> None:
    (root / "fg_bg" / "Thumbs.db").write_bytes(b"x")
    (root / "fg_bg" / "._img_0010.png").write_bytes(b"x")
    (root / "fg_bg" / "more.png").mkdir()
    (root / "fg_bg" / "img_0020.png").rename(root / "fg_bg" / "img_0020.PNG")
    (root / "bg" / "bg_002.png").rename(root / "bg" / "bg_002.JPEG")  # its content is still PNG
    assert len(samples(FgBg(str(root)))) == 6


def test_folder_names_are_settable(root: Path) -> None:
    for old, new in (("fg_bg", "a b"), ("bg", "Ω"), ("fg_bg_mask", "masks/all"), ("fg_bg_depth", "depth")):
        (root / new).parent.mkdir(exist_ok=True)
        (root / old).rename(root / new)
    data = FgBg(
        str(root), image_folder="a b", background_folder="Ω", mask_folder="masks/all", depth_folder="depth"
    )
    assert len(samples(data)) == 6


@pytest.mark.parametrize(
    ("rounding", "numbers", "backgrounds"),
    [("ceil", (1, 10, 11, 30), (1, 1, 2, 3)), ("floor", (0, 9, 10, 29), (0, 0, 1, 2))],
)
def test_background_numbers_are_divided(
    tmp_path: Path, rounding: Any, numbers: tuple[int, ...], backgrounds: tuple[int, ...]
) -> None:
    for number, background in zip(numbers, backgrounds, strict=True):
        for folder, picture in (("images", photo(1)), ("fg_bg_mask", disc()), ("fg_bg_depth", ramp())):
            save(picture, tmp_path / folder / f"scene{number}_x.png")
        save(np.full((HEIGHT, WIDTH, 3), 10 + background, np.uint8), tmp_path / "bg" / f"{background}.png")
    data = FgBg(
        str(tmp_path),
        image_folder="images",
        background_pattern=r"scene(\d+)",
        background_rounding=rounding,
        background_name="{}",
    )
    for number, background in zip(numbers, backgrounds, strict=True):
        image = by_name(data, f"scene{number}_x")["image"]
        assert (image[:3] * 255).round().unique().tolist() == [10 + background]


def test_background_names_can_be_text(root: Path) -> None:
    for number in NUMBERS:
        (root / "bg" / f"bg_{number // 10:03d}.png").rename(root / "bg" / f"img_{number:04d}_empty.png")
    data = FgBg(str(root), background_pattern="(.*)", background_divisor=None, background_name="{}_empty")
    np.testing.assert_allclose(samples(data)[0]["image"][:3], photo(1010).transpose(2, 0, 1) / 255, atol=1e-6)


def test_backgrounds_and_foregrounds_can_be_listed(root: Path) -> None:
    rows = [
        (f"img_{number:04d}.png", f"bg_{7 - number // 10:03d}", f"cat {number % 3}.png") for number in NUMBERS
    ]
    write_csv(root / "pairs.csv", ("image", "background", "foreground"), *rows)
    data = FgBg(str(root), background_file="pairs.csv", group_by="foreground", val=0.3, test=0.3)
    np.testing.assert_allclose(samples(data)[0]["image"][:3], photo(1060).transpose(2, 0, 1) / 255, atol=1e-6)
    for part in PARTS:
        split = data.split(part)
        numbers = [int(split[i]["name"][4:]) for i in range(len(split))]
        assert len(numbers) == 2
        assert numbers[0] % 3 == numbers[1] % 3


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("file", "background")], "needs a header line with a column 'image'"),
        ([("image", "backgrund")], "'background'; its first line .*did you mean 'backgrund'"),
        ([], "needs a header line"),
        (
            [("image", "background"), ("a", "x"), ("a", "y")],
            "'a' has the background 'y' in one line and 'x'",
        ),
        ([("image", "background"), ("a", "")], "line 2: expected image and background"),
    ],
)
def test_a_broken_list_is_reported(root: Path, rows: list[tuple[str, ...]], message: str) -> None:
    write_csv(root / "pairs.csv", *rows)
    with pytest.raises(CnnlibError, match=message):
        FgBg(str(root), background_file="pairs.csv")


def deep_color_png() -> bytes:
    """An RGB PNG of 16 bits a channel, 4 x 4, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + np.full(12, 1000, ">u2").tobytes() for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


PROBLEMS = {
    "truncated": (lambda root: truncate(root / "fg_bg" / "img_0010.png"), "not readable as an image: 1.*img_0010"),
    "empty file": (lambda root: (root / "bg" / "bg_002.png").write_bytes(b""), "not readable.*bg_002"),
    "text": (lambda root: (root / "fg_bg_depth" / "img_0020.png").write_text("no"), "not readable.*img_0020"),
    "photo as mask": (
        lambda root: save(photo(3), root / "fg_bg_mask" / "img_0030.png"),
        "in colour, where grey levels are expected: 1.*img_0030",
    ),
    "depth as mask": (
        lambda root: save(ramp(), root / "fg_bg_mask" / "img_0030.png"),
        r"not usable as mask: 1\n.*img_0030.png: \d+% of its pixels are neither dark nor light",
    ),
    "mask of 0 and 1": (
        lambda root: save(disc() // 255, root / "fg_bg_mask" / "img_0030.png"),
        "not usable as mask: 1\n.*its highest level is 1 of 255",
    ),
    "mask of 0 and 100": (
        lambda root: save((disc() // 255 * 100).astype(np.uint8), root / "fg_bg_mask" / "img_0030.png"),
        "not usable as mask: 1\n.*its highest level is 100 of 255; foreground must be from 128 on",
    ),
    "mask of 16 bits, 0 and 255": (
        lambda root: save(disc().astype(np.uint16), root / "fg_bg_mask" / "img_0030.png"),
        "not usable as mask: 1\n.*its highest level is 255 of 65535; foreground must be from 32768 on",
    ),
    "no foreground anywhere": (
        lambda root: [save(disc() * 0, file) for file in (root / "fg_bg_mask").iterdir()],
        "a mask that is 0 everywhere, in all samples: 1\n    .*fg_bg_mask$",
    ),
    "no depth anywhere": (
        lambda root: [save(ramp() * 0, file) for file in (root / "fg_bg_depth").iterdir()],
        "a depth that is 0 everywhere, in all samples: 1\n    .*fg_bg_depth$",
    ),
    "names that differ in case": (
        lambda root: [
            file.with_name(f"img_0010{letter}.png").write_bytes(file.read_bytes())
            for file in root.glob("fg_bg*/img_0010.png")
            for letter in "aA"
        ],
        "names that differ in upper and lower case alone: 1\n    img_0010A, img_0010a",
    ),
    "a name that is too long": (
        lambda root: [file.rename(file.with_stem("img_0040" + "x" * 240)) for file in root.glob("fg_bg*/img_0040.png")],
        "names that predictions cannot be saved under: 1\n    'img_0040x",
    ),
    "floats as mask": (
        lambda root: Image.fromarray(np.ones((24, 32), np.float32)).save(root / "fg_bg_mask" / "img_0030.png", "TIFF"),
        "files that are floats, where levels are expected: 1.*img_0030",
    ),
    "floats among depths of 8 bits": (
        lambda root: Image.fromarray(np.ones((24, 32), np.float32)).save(root / "fg_bg_depth" / "img_0030.png", "TIFF"),
        "different kinds, which cannot share one scale: 2\n    8 bits: img_0010\n    floats: img_0030",
    ),
    "32 bits": (
        lambda root: save(np.full((24, 32), 70_000, np.int32), root / "fg_bg_depth" / "img_0030.png", format="TIFF"),
        "not readable.*integers beyond 16 bits",
    ),
    "colour-coded depth": (lambda root: save(photo(4), root / "fg_bg_depth" / "img_0030.png"), "in colour.*img_0030"),
    "deep colour": (
        lambda root: (root / "fg_bg_depth" / "img_0030.png").write_bytes(deep_color_png()),
        "not readable.*16 bits in several channels",
    ),
    "no image": (
        lambda root: (root / "fg_bg" / "img_0040.png").unlink(),
        "mask targets without an image of the same name in .*fg_bg: 1\n    img_0040",
    ),
    "no background": (
        lambda root: (root / "bg" / "bg_004.png").unlink(),
        "images whose bg is not in .*bg: 1\n    img_0040 needs bg_004",
    ),
    "no number": (
        lambda root: [file.rename(file.with_stem("x")) for file in root.glob("fg_bg*/img_0040.png")],
        "images whose bg is not known; expected names in which .*: 1\n    x",
    ),
    "twice": (
        lambda root: save(photo(1), root / "fg_bg" / "img_0010.jpg"),
        r"names that two files of one folder have: 1\n    .*img_0010\.\*",
    ),
    "mixed sizes": (
        lambda root: save(photo(1, 20, 20), root / "fg_bg" / "img_0050.png"),
        "different sizes; set size to resize them: 2\n    24 x 32 pixels: img_0010\n    20 x 20 pixels: img_0050",
    ),
    "mixed depths": (
        lambda root: save(ramp().astype(np.uint16), root / "fg_bg_depth" / "img_0050.png"),
        "different kinds, which cannot share one scale: 2\n    8 bits: img_0010\n    16 bits: img_0050",
    ),
    "empty folder": (
        lambda root: [file.unlink() for file in (root / "fg_bg_mask").iterdir()],
        "folders without an image file \\(jpg, .*npz\\): 1\n    .*fg_bg_mask$",
    ),
}  # fmt: skip


@pytest.mark.parametrize("problem", PROBLEMS)
def test_each_problem_is_reported_before_training(root: Path, problem: str) -> None:
    damage, message = PROBLEMS[problem]
    damage(root)
    with pytest.raises(CnnlibError, match=r"(?s)^the data set in .* cannot be used:\n.*" + message):
        FgBg(str(root)).check()


def test_few_blank_masks_say_nothing_of_the_others(root: Path) -> None:
    first = sorted((root / "fg_bg_mask").iterdir())[0]
    save(disc() * 0, first)
    FgBg(str(root)).check()


def test_all_problems_are_reported_at_once_with_counts_and_the_first_few(root: Path) -> None:
    for number in (10, 20, 30, 40, 50):
        truncate(root / "fg_bg_depth" / f"img_{number:04d}.png")
    save(ramp(), root / "fg_bg_mask" / "img_0060.png")
    with pytest.raises(CnnlibError) as caught:
        FgBg(str(root)).check()
    first, second, third, fourth, *others = str(caught.value).splitlines()[1:]
    assert first == "  files that are not readable as an image: 5"
    assert all(f"img_00{n}0.png" in line for n, line in zip((1, 2, 3), (second, third, fourth), strict=True))
    assert others[:2] == ["    and 2 more", "  files that are not usable as mask: 1"]


def test_a_sample_without_a_file_has_no_such_target(root: Path) -> None:
    for number in NUMBERS[:5]:
        (root / "fg_bg_depth" / f"img_{number:04d}.png").unlink()
    (root / "fg_bg_mask" / "img_0060.png").unlink()
    data = FgBg(str(root))
    data.check()
    for sample in samples(data):
        assert ("mask" in sample, "depth" in sample) == (
            sample["name"] != "img_0060",
            sample["name"] == "img_0060",
        )


@pytest.mark.parametrize(("absent", "left"), [("mask", "depth"), ("depth", "mask")])
def test_masks_or_depths_may_be_left_out(root: Path, absent: str, left: str) -> None:
    for file in (root / f"fg_bg_{absent}").iterdir():
        file.unlink()
    (root / f"fg_bg_{absent}").rmdir()
    data = FgBg(str(root), **{f"{absent}_folder": None})
    data.check()
    assert list(data.targets) == [left]
    assert all(left in sample and absent not in sample for sample in samples(data))
    with pytest.raises(CnnlibError, match="mask_folder and depth_folder are both null"):
        FgBg(str(root), mask_folder=None, depth_folder=None)


def test_missing_folders_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "fg_bg").mkdir()
    with pytest.raises(
        CnnlibError, match=r"(?s)exist: 3\n.*background_folder: .*mask_folder: .*depth_folder: "
    ):
        FgBg(str(tmp_path))


@pytest.mark.parametrize(
    "options",
    [
        {"size": 0},
        {"size": 9.5},
        {"seed": -1},
        {"limit": 2},
        {"check": 0},
        {"depth_scale": 0},
        {"depth_scale": float("nan")},
        {"depth_scale": "mm"},
        {"val": 0},
        {"test": 1.5},
        {"val": 0.6, "test": 0.4},
        {"group_by": "backgrund"},
        {"group_by": "foreground"},
        {"foreground_pattern": "img", "group_by": "foreground"},
        {"background_pattern": "img"},
        {"background_pattern": "("},
        {"background_divisor": 0},
        {"background_divisor": None},
        {"background_rounding": "round"},
        {"background_name": "bg"},
        {"background_name": "{:d}{}"},
        {"background_name": "{0.x}"},
        {"background_name": "{:999999999d}"},
        {"depth_scale": 1e308},
        {"size": 1_000_000},
        {"background_file": "nowhere.csv"},
        {"mask_folder": "masks"},
    ],
    ids=str,
)
def test_every_option_that_cannot_work_is_named(root: Path, options: dict[str, Any]) -> None:
    option = "background_name" if options == {"background_divisor": None} else next(iter(options))
    with pytest.raises(CnnlibError, match=option):
        FgBg(str(root), **options)


def test_too_few_groups_are_reported(root: Path) -> None:
    rows = [(f"img_{number:04d}", "bg_001") for number in NUMBERS]
    write_csv(root / "pairs.csv", ("image", "background"), *rows)
    with pytest.raises(CnnlibError, match=r"with group_by: background, .* 6 samples in 1 group$"):
        FgBg(str(root), background_file="pairs.csv")
    assert len(samples(FgBg(str(root), background_file="pairs.csv", group_by="sample"))) == 6


def test_limit_takes_a_part_at_random_by_seed(root: Path) -> None:
    def names(seed: int) -> list[str]:
        data = FgBg(str(root), limit=3, seed=seed)
        return [sample["name"] for sample in samples(data)]

    assert names(0) == names(0)
    assert len(names(0)) == 3
    assert len({tuple(names(seed)) for seed in range(8)}) > 1


def test_a_partial_check_leaves_the_rest_for_later(root: Path) -> None:
    truncate(root / "fg_bg_mask" / "img_0030.png")
    data = FgBg(str(root), check=2)  # the first and the last
    with pytest.raises(CnnlibError, match=r"not readable as an image: .*img_0030\.png"):
        by_name(data, "img_0030")
    save(disc(), root / "fg_bg_mask" / "img_0030.png")
    save(photo(1, 9, 9), root / "fg_bg" / "img_0030.png")
    with pytest.raises(
        CnnlibError, match=re.escape("img_0030.png is 9 x 9 pixels, others are 24 x 32; set size")
    ):
        by_name(data, "img_0030")


def test_it_goes_to_worker_processes(root: Path) -> None:
    split = pickle.loads(pickle.dumps(FgBg(str(root)).split("train")))
    assert len(split) == 4
    assert split[0]["image"].shape == (6, HEIGHT, WIDTH)


def test_depth_is_in_metres_only_where_that_is_known(root: Path) -> None:
    assert FgBg(str(root)).targets["depth"].unit == ""  # 8 bits: shares of the farthest depth
    assert FgBg(str(root), depth_scale=0.01).targets["depth"].unit == "m"
    for file in (root / "fg_bg_depth").iterdir():
        save(ramp().astype(np.uint16), file)
    assert FgBg(str(root)).targets["depth"].unit == "m"


def test_backgrounds_are_named_by_rule_without_any_file() -> None:
    options = {"root": "/nowhere", "background_divisor": 4, "background_rounding": "floor"}
    rule = FgBg.partners(**options)["bg"]
    assert (rule("img_0050"), rule("photo")) == ("bg_012", None)
