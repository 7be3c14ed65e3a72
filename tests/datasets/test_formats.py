"""Files of many formats, of unusual content and with unusual names."""

from __future__ import annotations

import os
import re
import struct
import unicodedata
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlib.datasets import Folders
from cnnlib.datasets.image_files import ImageFileError, read_color
from cnnlib.datasets.map_files import read_gray, read_indices, read_lengths
from cnnlib.types import CnnlibError, TargetInfo
from tests.datasets.pictures import HEIGHT, WIDTH, disc, photo, ramp, samples, save, truncate

METRES = np.linspace(0.5, 9, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
MILLIMETRES = np.rint(METRES * 1000).astype(np.uint16)


def as_color(picture: Image.Image) -> np.ndarray:
    return np.array(picture)


# Pictures


@pytest.mark.parametrize("suffix", ["png", "tif", "tiff", "bmp", "ppm", "pnm", "webp", "jpg", "JPEG"])
def test_pictures_of_every_format(tmp_path: Path, suffix: str) -> None:
    exact = suffix not in ("webp", "jpg", "JPEG")
    save(photo(1), tmp_path / "images" / f"a.{suffix}", **({} if exact else {"quality": 95}))
    for seed, name in enumerate("bcd"):
        save(photo(seed), tmp_path / "images" / f"{name}.png")
        save(disc(), tmp_path / "masks" / f"{name}.png")
    data = Folders(str(tmp_path), {"image": "images"}, {"mask": "masks"}, val=0.25, test=0.25)
    data.check()
    image = samples(data)[0]["image"].numpy().transpose(1, 2, 0) * 255
    assert np.abs(image - photo(1)).mean() <= (1e-4 if exact else 4)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations(tmp_path: Path, suffix: str, orientation: int) -> None:
    """The stored picture is what EXIF's table says of the upright one; turns are NumPy's, not Pillow's."""
    upright = photo(3)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 98} if suffix == "jpg" else {"lossless": True} if suffix == "webp" else {}
    save(np.ascontiguousarray(stored), tmp_path / f"a.{suffix}", exif=exif, **options)
    found = as_color(read_color(tmp_path / f"a.{suffix}")).astype(int)
    assert found.shape == upright.shape
    assert np.abs(found - upright).mean() < (3 if suffix == "jpg" else 1e-9)


def exif_of(kind: int, value: bytes) -> bytes:
    """EXIF data with the orientation alone, in a type of TIFF's; big-endian."""
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHI", 1, 0x0112, kind, 1) + value + bytes(4)


@pytest.mark.parametrize(
    "exif",
    [
        exif_of(4, struct.pack(">I", 65537)),
        exif_of(3, struct.pack(">HH", 0, 0)),
        exif_of(3, struct.pack(">HH", 9, 0)),
        exif_of(9, struct.pack(">i", -1)),
        exif_of(2, b"abc\0"),
        exif_of(3, b"")[:-6],
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0nonsense",
        b"Exif\0\0",
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of corrupt EXIF data
def test_orientations_that_say_nothing(tmp_path: Path, exif: bytes) -> None:
    save(photo(3), tmp_path / "a.jpg", quality=98, exif=exif)
    found = as_color(read_color(tmp_path / "a.jpg")).astype(int)
    assert found.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(found - photo(3)).mean() < 3


def test_a_true_orientation_beside_strange_exif_values_counts(tmp_path: Path) -> None:
    """Pillow's own turning writes the EXIF data again, which such values make impossible."""
    entry = struct.pack(">HHHI", 2, 0x0112, 3, 1) + struct.pack(">HH", 6, 0)
    odd = struct.pack(">HHI", 0x0128, 4, 1) + struct.pack(">I", 0xFFFFFFFF)  # a unit of 32 bits
    given = b"Exif\0\0MM\0*\0\0\0\x08" + entry + odd + bytes(4)
    save(np.ascontiguousarray(np.rot90(photo(3))), tmp_path / "a.jpg", quality=98, exif=given)
    found = as_color(read_color(tmp_path / "a.jpg")).astype(int)
    assert np.abs(found - photo(3)).mean() < 3


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk(tmp_path: Path, suffix: str) -> None:
    """Pillow writes a JPEG of it as Adobe does, inverted and marked so; a TIFF as it is."""
    inks = 255 - photo(5)
    cmyk = np.dstack([inks, np.zeros((HEIGHT, WIDTH), np.uint8)])
    Image.fromarray(cmyk, "CMYK").save(
        tmp_path / f"a.{suffix}", **({"quality": 98} if suffix == "jpg" else {})
    )
    if suffix == "jpg":
        assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()
    found = as_color(read_color(tmp_path / f"a.{suffix}")).astype(int)
    assert np.abs(found - photo(5)).mean() < 3


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(header: tuple[int, ...], rows: bytes, *chunks: bytes) -> bytes:
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *header))
    return start + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_deep_colours_are_pictures_and_no_maps(tmp_path: Path) -> None:
    deep = np.arange(4 * 4 * 3, dtype=np.uint16).reshape(4, 4, 3) * 1300
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    (tmp_path / "a.png").write_bytes(png((4, 4, 16, 2, 0, 0, 0), rows))
    (tmp_path / "a.ppm").write_bytes(b"P6 4 4 65535\n" + deep.astype(">u2").tobytes())
    for name in ("a.png", "a.ppm"):
        assert np.abs(as_color(read_color(tmp_path / name)).astype(int) - deep / 257).max() <= 1
        for read in (read_gray, read_indices, read_lengths):
            with pytest.raises(ImageFileError, match="16 bits in several channels"):
                read(tmp_path / name)


def test_one_transparent_level_of_16_bits(tmp_path: Path) -> None:
    levels = np.array([[300, 1000], [40000, 65535]], np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    (tmp_path / "a.png").write_bytes(
        png((2, 2, 16, 0, 0, 0, 0), rows, chunk(b"tRNS", struct.pack(">H", 1000)))
    )
    assert read_lengths(tmp_path / "a.png").tolist() == [[300, 0], [40000, 65535]]
    assert as_color(read_color(tmp_path / "a.png"))[..., 0].tolist() == [[1, 0], [155, 255]]


# Maps


def depths(root: Path, write: Any, suffix: str, **options: Any) -> dict[str, Any]:
    """The one depth of a data set of three pictures."""
    for seed, name in enumerate("abc"):
        save(photo(seed), root / "images" / f"{name}.png")
    (root / "depth").mkdir()
    write(root / "depth" / f"a{suffix}")
    data = Folders(
        str(root), {"image": "images"}, {"depth": {"folder": "depth", **options}}, val=0.3, test=0.3
    )
    data.check()
    return samples(data)[0]["depth"]


def pfm(path: Path) -> None:
    path.write_bytes(b"Pf\n%d %d\n-1.0\n" % (WIDTH, HEIGHT) + METRES[::-1].astype("<f4").tobytes())


def exr(path: Path) -> None:
    openexr = pytest.importorskip("OpenEXR")
    with openexr.File({"type": openexr.scanlineimage}, {"Z": METRES, "A": METRES * 0}) as file:
        file.write(str(path))


def pgm(levels: np.ndarray, highest: int, order: str = ">") -> Any:
    width = 1 if highest < 256 else 2
    head = b"P5\n# made by hand\n%d %d\n%d\n" % (levels.shape[1], levels.shape[0], highest)
    return lambda path: path.write_bytes(head + levels.astype(f"{order}u{width}").tobytes())


DEPTHS = {
    "16-bit PNG": (".png", lambda path: save(MILLIMETRES, path), {}),
    "16-bit TIFF": (".tif", lambda path: save(MILLIMETRES, path), {}),
    "16-bit TIFF, big-endian": (
        ".tiff",
        lambda path: Image.frombytes("I;16B", (WIDTH, HEIGHT), MILLIMETRES.astype(">u2").tobytes()).save(
            path
        ),
        {},
    ),
    "16-bit PGM": (".pgm", pgm(MILLIMETRES, 65535), {}),
    "16-bit PGM of few levels": (".pgm", pgm(MILLIMETRES, 9000), {}),
    "16-bit PGM, swapped": (".pgm", pgm(MILLIMETRES, 65535, "<"), {"swap_bytes": True}),
    "float TIFF": (".tif", lambda path: save(METRES, path), {}),
    "PFM": (".pfm", pfm, {}),
    "OpenEXR": (".exr", exr, {}),
    "float npy": (".npy", lambda path: np.save(path, METRES[None]), {}),
    "double npz": (".npz", lambda path: np.savez_compressed(path, depth=METRES.astype(np.float64)), {}),
    "npy of millimetres": (".npy", lambda path: np.save(path, MILLIMETRES.astype(np.int64)), {}),
    "npy of centimetres as floats": (".npy", lambda path: np.save(path, METRES * 100), {"scale": 0.01}),
}


@pytest.mark.parametrize("key", DEPTHS)
def test_depths_of_every_format(tmp_path: Path, key: str) -> None:
    suffix, write, options = DEPTHS[key]
    value, valid = depths(tmp_path, write, suffix, **options)
    np.testing.assert_allclose(value[0], METRES, atol=0.0006, rtol=1e-6)
    assert valid.all()


def test_depths_of_8_bits_and_inverse_ones(tmp_path: Path) -> None:
    value, valid = depths(tmp_path, lambda path: save(ramp(), path), ".png", inverse=True)
    np.testing.assert_allclose(value[0], ramp() / 255, rtol=1e-6)
    np.testing.assert_array_equal(valid[0], ramp() > 0)


def test_floats_that_are_no_depth_are_not_valid(tmp_path: Path) -> None:
    metres = METRES.copy()
    metres[0, :5] = (np.nan, np.inf, -np.inf, -1, 0)
    value, valid = depths(tmp_path, lambda path: np.save(path, metres), ".npy")
    assert valid[0, 0, :6].tolist() == [False] * 5 + [True]
    assert value.isfinite().all()


@pytest.mark.parametrize(
    ("order", "swap", "hint"), [("<", False, "set swap_bytes: true"), (">", True, "leave swap_bytes out")]
)
def test_swapped_bytes_are_noticed(tmp_path: Path, order: str, swap: bool, hint: str) -> None:
    with pytest.raises(CnnlibError, match=f"not usable as depth: 1\n.*a.pgm: .*{hint}"):
        depths(tmp_path, pgm(MILLIMETRES, 65535, order), ".pgm", swap_bytes=swap)


def test_levels_without_a_byte_order_are_left_as_they_are(tmp_path: Path) -> None:
    """8 bits in 16, noise, and a far wall behind a near one."""
    generator = np.random.default_rng(0)
    bytes_ = generator.integers(1, 256, (HEIGHT, WIDTH))
    for index, levels in enumerate(
        [bytes_ * 256, bytes_ * 257, bytes_ * 64, np.where(disc() > 0, 0x1388, 0x8813)]
    ):
        value, _ = depths(tmp_path / str(index), pgm(levels, 65535), ".pgm", scale=1)
        np.testing.assert_array_equal(value[0], levels)
    with pytest.raises(CnnlibError, match="swap_bytes is for levels of 16 bits; these are uint8"):
        depths(tmp_path / "8", lambda path: save(ramp(), path), ".png", swap_bytes=True)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_classes_of_few_bits_keep_their_numbers(tmp_path: Path, bits: int) -> None:
    """Pillow stretches the levels of such grey PNG to 255, which is right for a brightness alone."""
    classes = np.arange(8).reshape(1, 8) % 2**bits
    packed = np.packbits(((classes[0][:, None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8)).tobytes()
    (tmp_path / "a.png").write_bytes(png((8, 1, bits, 0, 0, 0, 0), b"\0" + packed))
    np.testing.assert_array_equal(read_indices(tmp_path / "a.png"), classes)
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), classes * 255 // (2**bits - 1))


@pytest.mark.parametrize("highest", [1, 7, 100, 255, 256, 1000, 65534, 65535])
def test_levels_of_a_pgm_are_those_that_it_holds(tmp_path: Path, highest: int) -> None:
    levels = np.linspace(0, highest, 60).round().astype(int).reshape(6, 10)
    pgm(levels, highest)(tmp_path / "a.pgm")
    np.testing.assert_array_equal(read_indices(tmp_path / "a.pgm"), levels)
    np.testing.assert_array_equal(read_lengths(tmp_path / "a.pgm"), levels)
    white = 255 if highest < 256 else 65535
    np.testing.assert_allclose(read_gray(tmp_path / "a.pgm"), levels / highest * white, atol=0.51)


def test_masks_from_numpy_and_bitmaps(tmp_path: Path) -> None:
    mask = disc() > 0
    np.save(tmp_path / "a.npy", mask)
    np.savez(tmp_path / "a.npz", disc())
    Image.fromarray(mask).save(tmp_path / "a.pbm")
    for name in ("a.npy", "a.npz", "a.pbm"):
        np.testing.assert_array_equal(read_gray(tmp_path / name) == 255, mask)
    np.save(tmp_path / "classes.npy", np.full((3, 4), 300))
    assert read_indices(tmp_path / "classes.npy").tolist() == [[300] * 4] * 3
    np.save(tmp_path / "floats.npy", METRES)
    for read in (read_gray, read_indices):
        with pytest.raises(ImageFileError, match="floats, where levels are expected"):
            read(tmp_path / "floats.npy")


# What is refused


def save_pages(path: Path) -> None:
    Image.fromarray(photo(1)).save(path, "TIFF", save_all=True, append_images=[Image.fromarray(photo(2))])


def save_white_is_zero(path: Path) -> None:
    Image.fromarray(MILLIMETRES).save(path, "TIFF", tiffinfo={262: 0})


def flip_a_bit_of_pixels(path: Path) -> None:
    save(photo(1), path)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 200] ^= 4
    path.write_bytes(content)


def two_arrays(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=METRES, b=METRES)


BROKEN = {
    "empty": ("a.jpg", lambda path: path.write_bytes(b""), read_color, "the file is empty"),
    "text": ("a.jpg", lambda path: path.write_text("no"), read_color, "it starts as none of JPEG, PNG, WEBP"),
    "truncated": ("a.png", lambda path: (save(photo(1), path), truncate(path)), read_color, "ends too early"),
    "a flipped bit": ("a.png", flip_a_bit_of_pixels, read_color, "the checksum of its IDAT chunk is wrong"),
    "truncated JPEG": ("a.jpg", lambda path: (save(photo(1, 99, 99), path), truncate(path)), read_color, "truncated"),
    "a program": (
        "a.jpg",
        lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"),
        read_color,
        "it starts as none of",
    ),
    "a bomb": (
        "a.png",
        lambda path: path.write_bytes(png((60_000, 60_000, 8, 0, 0, 0, 0), b"")),
        read_color,
        r"pixels.*; at most 89,478,485 are read, so that no file can fill the memory",
    ),
    "a small bomb": (
        "a.pgm",
        lambda path: path.write_bytes(b"P5 9500 9500 255\n"),
        read_color,
        r"pixels.*; at most 89,478,485 are read",
    ),
    "pages": ("a.tif", save_pages, read_color, "several pages or frames"),
    "white is zero": ("a.tif", save_white_is_zero, read_lengths, "level 0 of 16 bits is white"),
    "Lab": ("a.tif", lambda path: Image.new("LAB", (4, 4)).save(path), read_color, "colours of the kind LAB"),
    "float picture": ("a.tif", lambda path: save(METRES, path), read_color, "it holds floats"),
    "float mask": ("a.tif", lambda path: save(METRES, path), read_gray, "floats, where levels are expected"),
    "32 bits": ("a.tif", lambda path: save(np.full((4, 4), 70_000, np.int32), path), read_gray, "beyond 16 bits"),
    "levels of 32 bits": ("a.npy", lambda path: np.save(path, np.full((4, 4), -1)), read_gray, "from -1 to -1"),
    "pickled": ("a.npy", lambda path: np.save(path, np.array([{}], object)), read_gray, "no .npy file of numbers"),
    "several arrays": ("a.npz", two_arrays, read_lengths, "2 arrays in it; expected one"),
    "another shape": ("a.npy", lambda path: np.save(path, photo(1)), read_gray, r"\(24, 32, 3\); expected \(H, W\)"),
    "a picture as npy": ("a.npy", lambda path: path.write_bytes(b"\x89PNG"), read_gray, "no .npy file"),
    "text as exr": ("a.exr", lambda path: path.write_text("no"), read_lengths, "not readable as an image"),
    "a link to nothing": ("a.jpg", lambda path: path.symlink_to("gone"), read_color, "a link to gone, which does not"),
    "a link to itself": ("a.jpg", lambda path: path.symlink_to("a.jpg"), read_color, "symbolic links"),
}  # fmt: skip


@pytest.mark.parametrize("key", BROKEN)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_broken_files_are_refused(tmp_path: Path, key: str) -> None:
    name, write, read, message = BROKEN[key]
    if name.endswith("exr"):
        pytest.importorskip("OpenEXR")
    write(tmp_path / name)
    with pytest.raises(ImageFileError, match=rf"(?s){message}"):
        read(tmp_path / name)
    with pytest.raises(ImageFileError, match=re.escape(str(tmp_path / name))):
        read(tmp_path / name)


# Names


def named(root: Path, *names: str) -> Folders:
    for seed, name in enumerate(names):
        save(photo(seed), root / "images" / f"{name}.png")
    (root / "masks").mkdir(exist_ok=True)
    return Folders(str(root), {"image": "images"}, {"mask": "masks"}, val=0.3, test=0.3)


def test_names_that_look_the_same_are_the_same(tmp_path: Path) -> None:
    """One system keeps é as one character, another as e and an accent; lists may hold either."""
    composed, apart = (unicodedata.normalize(form, "éa_ü") for form in ("NFC", "NFD"))
    assert composed != apart
    save(disc(), tmp_path / "masks" / f"{composed}.png")
    data = named(tmp_path, apart, "b", "c")
    data.check()
    assert [sample["name"] for sample in samples(data) if "mask" in sample] == [composed]
    for part, name in {"train": apart, "val": "b", "test": "c"}.items():
        (tmp_path / f"{part}.txt").write_text(name, encoding="utf-8")
    splits = {part: f"{part}.txt" for part in ("train", "val", "test")}
    data = Folders(str(tmp_path), {"image": "images"}, {"mask": "masks"}, splits=splits)
    assert data.split("train")[0]["name"] == composed
    save(photo(1), tmp_path / "images" / f"{composed}.png")
    with pytest.raises(CnnlibError, match="names that two files of one folder have: 1"):
        named(tmp_path)


def test_folders_of_classes_with_accents(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "gruñón") for form in ("NFC", "NFD"))
    for folder in (apart, "x", "y"):
        save(photo(0), tmp_path / "images" / folder / "1.png")
    targets = {"label": {"by_folder": True, "names": [apart, "x", "y"]}}
    data = Folders(str(tmp_path), {"image": "images"}, targets, val=0.3, test=0.3)
    data.check()
    assert data.targets["label"] == TargetInfo("label", names=(composed, "x", "y"))
    assert [sample["name"] for sample in samples(data)] == [f"{composed}/1", "x/1", "y/1"]


def test_links_are_followed_and_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    save(photo(0), tmp_path / "elsewhere" / "x.png")
    save(disc(), tmp_path / "masks" / "a.png")
    named(tmp_path, "a", "b", "c")
    images = tmp_path / "images"
    (images / "d.png").symlink_to(tmp_path / "elsewhere" / "x.png")
    (images / "folder.jpg").mkdir()
    (images / "linked.jpg").symlink_to(images / "folder.jpg")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._a.png", ".hidden.png", "notes.npy"):
        (images / name).write_bytes(b"x")
    os.mkfifo(images / "pipe.png")  # reading it would never end
    (images / "to_pipe.png").symlink_to("pipe.png")
    data = named(tmp_path)
    data.check()
    assert [sample["name"] for sample in samples(data)] == list("abcd")


def test_links_to_nothing_are_reported(tmp_path: Path) -> None:
    save(disc(), tmp_path / "masks" / "a.png")
    named(tmp_path, "a", "b", "c")
    (tmp_path / "images" / "d.png").symlink_to("gone.png")
    (tmp_path / "images" / "e.png").symlink_to("e.png")
    with pytest.raises(
        CnnlibError, match=r"(?s)not readable as an image: 2\n.*d\.png: a link to gone\.png.*e\.png"
    ):
        named(tmp_path).check()


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """Bytes that no encoding explains, as old archives leave them."""
    save(disc(), tmp_path / "masks" / "a.png")
    named(tmp_path, "a", "b", "c")
    with (tmp_path / "images" / os.fsdecode(b"caf\xe9.png")).open("wb") as file:
        Image.fromarray(photo(1)).save(file, "PNG")
    with pytest.raises(CnnlibError, match=r"names that predictions cannot be saved under: 1\n    .*caf"):
        named(tmp_path)


def test_sizes_may_differ_in_a_folder(tmp_path: Path) -> None:
    save(disc(), tmp_path / "masks" / "a.png")
    named(tmp_path, "a", "b", "c")
    save(photo(1, 50, 20), tmp_path / "images" / "b.png")
    with pytest.raises(CnnlibError, match="images of different sizes; set size to resize them: 2"):
        named(tmp_path).check()
    data = Folders(str(tmp_path), {"image": "images"}, {"mask": "masks"}, size=16, val=0.3, test=0.3)
    data.check()
    assert all(sample["image"].shape == torch.Size((3, 16, 16)) for sample in samples(data))
