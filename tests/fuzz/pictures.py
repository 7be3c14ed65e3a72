"""Damaged image files: each gives what Pillow or NumPy decodes of it, or an error for people."""

from __future__ import annotations

import io
import random
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from cnnlib.datasets.image_files import ImageFileError, read_color
from cnnlib.datasets.map_files import read_gray, read_indices, read_lengths
from tests.datasets.pictures import disc, photo, ramp
from tests.fuzz.byte_damages import ByteDamage, cut, flip, noise, replace, splice, zeros
from tests.fuzz.harness import Case

READERS: dict[str, Callable[[Path], Any]] = {
    "color": lambda path: np.array(read_color(path)),
    "gray": read_gray,
    "index": read_indices,
    "lengths": read_lengths,
}
SIDES = [0, 1, 255, 9000, 9500, 60_000, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1]


def _encoded(array: np.ndarray, kind: str, mode: str | None = None, **options: Any) -> bytes:
    picture = Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _numpy(save_array: Callable[..., None], array: np.ndarray) -> bytes:
    file = io.BytesIO()
    save_array(file, array)
    return file.getvalue()


def sources() -> dict[str, bytes]:
    """Whole files, each by a name with its ending."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    deep = (ramp().astype(np.uint16) * 200)[:, ::-1]
    metres = ramp().astype(np.float32) / 25
    found = {
        "jpeg.jpg": _encoded(photo(1), "JPEG", quality=90),
        "turned.jpg": _encoded(photo(1), "JPEG", exif=exif),
        "progressive.jpg": _encoded(photo(2), "JPEG", progressive=True),
        "gray.jpg": _encoded(ramp(), "JPEG"),
        "cmyk.jpg": _encoded(photo(2), "JPEG", "CMYK"),
        "rgb.png": _encoded(photo(3), "PNG"),
        "rgba.png": _encoded(np.dstack([photo(3), disc()]), "PNG"),
        "gray.png": _encoded(disc(), "PNG"),
        "palette.png": _encoded(photo(3), "PNG", "P"),
        "bits.png": _encoded(disc() > 0, "PNG"),
        "deep.png": _encoded(deep, "PNG"),
        "webp.webp": _encoded(photo(4), "WEBP"),
        "lossless.webp": _encoded(np.dstack([photo(4), disc()]), "WEBP", lossless=True),
        "plain.tif": _encoded(photo(5), "TIFF"),
        "packed.tif": _encoded(photo(5), "TIFF", compression="tiff_lzw"),
        "deep.tif": _encoded(deep, "TIFF"),
        "float.tif": _encoded(metres, "TIFF"),
        "bmp.bmp": _encoded(photo(6), "BMP"),
        "color.ppm": _encoded(photo(7), "PPM"),
        "deep.pgm": b"P5\n32 24\n65535\n" + deep.astype(">u2").tobytes(),
        "few.pgm": b"P5\n32 24\n200\n" + np.minimum(ramp(), 200).tobytes(),
        "text.pgm": b"P2\n# text\n4 2\n15\n0 1 2 3\n12 13 14 15\n",
        "bits.pbm": _encoded(disc() > 0, "PPM"),
        "float.pfm": b"Pf\n32 24\n-1.0\n" + metres.tobytes(),
        "levels.npy": _numpy(np.save, deep),
        "float.npy": _numpy(np.save, metres),
        "mask.npz": _numpy(np.savez_compressed, disc() > 0),
    }
    try:
        import OpenEXR
    except ImportError:
        return found
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "z.exr")
        with OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Z": metres}) as file:
            file.write(str(path))
        return found | {"z.exr": path.read_bytes()}


SOURCES = sources()
PROGRAM = _encoded(photo(8), "EPS")
"""In PostScript, which Pillow has another program read."""


def damaged_picture(rng: random.Random) -> tuple[str, bytes]:
    """The name of a file and its content, damaged or under another ending."""
    name, other = rng.choices(list(SOURCES), k=2)
    if rng.random() < 0.1:
        return Path(name).stem + Path(other).suffix, SOURCES[name]
    return name, rng.choice(_DAMAGES)(SOURCES[name], rng)


def _flip_with_right_sums(content: bytes, rng: random.Random) -> bytes:
    return _with_right_sums(flip(content, rng))


def _other_body(content: bytes, rng: random.Random) -> bytes:
    """The header of one with the body of another."""
    end = rng.randint(1, 63)
    return content[:end] + rng.choice(list(SOURCES.values()))[end:]


def _program(content: bytes, rng: random.Random) -> bytes:
    return rng.choice([PROGRAM, flip(PROGRAM, rng)])


def _with_right_sums(content: bytes) -> bytes:
    """Of a PNG, so that its faults get past the checksums."""
    changed, at = bytearray(content), 8
    while content[:4] == b"\x89PNG" and at + 12 <= len(content):
        end = at + 8 + int.from_bytes(changed[at : at + 4])
        if end + 4 > len(content):
            break
        changed[end : end + 4] = struct.pack(">I", zlib.crc32(changed[at + 4 : end]))
        at = end + 4
    return bytes(changed)


def _resize(content: bytes, rng: random.Random) -> bytes:
    """With absurd sides in the header, where it is known where they stand; else with such bytes in the beginning."""
    width, height = rng.choices(SIDES, k=2)
    for old, new in ((b"32 24", b"%d %d" % (width, height)), (b"(24, 32)", b"(%d, %d)" % (height, width))):
        if old in content[:128]:
            return content.replace(old, new, 1)
    png = content.startswith(b"\x89PNG")
    start = 16 if png else rng.randint(4, 39)
    sides = struct.pack(">II" if png else "<II", width, height)
    return _with_right_sums(content[:start] + sides + content[start + 8 :])


_DAMAGES: list[ByteDamage] = [
    *(flip, flip, _flip_with_right_sums, _flip_with_right_sums, cut, zeros, splice, replace, noise),
    *(_other_body, _resize, _program),
]


# Trying


def read(path: Path) -> str:
    """By how many of the readers it was read.

    Raises:
        ImageFileError: by none.
    """
    refusals = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of corrupt EXIF data, are no fault
        for key, reader in READERS.items():
            try:
                found = reader(path)
            except ImageFileError as error:
                refusals.append(error)
            else:
                _check(key, found, path)
    assert all(str(path) in str(error) for error in refusals)
    if len(refusals) == len(READERS):
        raise refusals[0]
    return f"read by {len(READERS) - len(refusals)} of {len(READERS)}"


def _check(key: str, found: np.ndarray, path: Path) -> None:
    """Against the libraries' own reading, of the modes in which that needs no care."""
    assert found.dtype.name in {"color": ("uint8",), "lengths": ("uint8", "uint16", "float32")}.get(
        key, ("uint8", "uint16")
    )
    if key != "color" and path.suffix in (".npy", ".npz", ".exr"):
        expected = _numbers(path)
        if expected is not None:
            scale = 255 if expected.dtype == bool and key == "gray" else 1
            assert np.array_equal(found, expected.astype(found.dtype) * scale, equal_nan=True)
        return
    with Image.open(path) as file:
        white = file.tile and file.format == "PPM"
        picture = ImageOps.exif_transpose(file)
    if key == "color":
        if picture.mode in ("RGB", "L", "CMYK", "1", "P", "YCbCr") and not picture.has_transparency_data:
            np.testing.assert_array_equal(found, np.array(picture.convert("RGB")))
        assert found.shape == (picture.height, picture.width, 3)
        return
    assert found.shape == (picture.height, picture.width)
    plain = picture.mode in ("L", "F") or picture.mode.startswith("I")
    if plain and not picture.has_transparency_data and (key == "gray" or not white):
        assert np.array_equal(found, np.array(picture), equal_nan=True)


def _numbers(path: Path) -> np.ndarray | None:
    if path.suffix == ".exr":
        return None
    loaded = np.load(path, allow_pickle=False)
    return loaded if isinstance(loaded, np.ndarray) else loaded[loaded.files[0]]


class Pictures:
    """A part of ``python -m tests.fuzz``: a case is a file, given to all readers."""

    def prepare(self, folder: Path) -> None:
        pass

    def case(self, index: int, rng: random.Random) -> Case:
        name, content = damaged_picture(rng)

        def run() -> str:
            path = Path(name).absolute()
            path.write_bytes(content)
            return read(path)

        return Case(name, Path(name).suffix, run)
