"""Finding and reading image files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageOps

from cnnlib.types import CnnlibError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")

# The mean distance between channels, in levels: below 1 for grey saved in colour, 8 to 40 for photographs.
_MAX_GRAY_SPREAD = 4


class ImageFileError(CnnlibError):
    """One file that is not the picture it should be: ``kind`` says what is wrong, ``detail`` where and how."""

    def __init__(self, kind: str, path: Path, reason: str) -> None:
        self.kind = kind
        self.detail = f"{path}: {reason}"
        super().__init__(f"{kind}: {self.detail}")


def list_images(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The jpg and png files directly in ``folder``: ``{stem: suffix}``, and stems that occur twice.

    Hidden files, folders and other formats are passed over.
    """
    suffixes: dict[str, str] = {}
    ambiguous = []
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 (a Path a file is slow for 400,000)
            if suffix.lower() not in IMAGE_SUFFIXES or entry.name.startswith(".") or not entry.is_file():
                continue
            if stem in suffixes:
                ambiguous.append(stem)
            suffixes[stem] = sys.intern(suffix)
    return suffixes, sorted(ambiguous)


def read_color(path: Path) -> Image.Image:
    """A picture as 8-bit RGB, whatever it is stored as; upright as its EXIF orientation says.

    Transparent parts are black.

    Raises:
        ImageFileError: if the file cannot be decoded to its end.
    """
    image = _read(path)
    if image.mode.startswith("I"):  # 16 bits: Pillow's own conversion would clip them
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    return image.convert("RGB")


def read_gray(path: Path) -> np.ndarray:
    """The grey levels of a mask or a depth map, (H, W), uint8 or uint16 as stored; upright, transparent is 0.

    Raises:
        ImageFileError: if the file cannot be decoded to its end, or is in colour.
    """
    image = _read(path)
    if image.mode.startswith("I"):
        return np.asarray(image).astype(np.uint16)
    if image.mode not in ("L", "1"):
        red, green, blue = image.convert("RGB").split()
        apart = ImageChops.lighter(ImageChops.difference(red, green), ImageChops.difference(green, blue))
        spread = np.asarray(apart).mean()
        if spread > _MAX_GRAY_SPREAD:
            raise ImageFileError("in colour, where grey levels are expected", path, f"mode {image.mode}")
    return np.array(image.convert("L"))


def resize_nearest(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """``array`` (H, W) at another size, by the value at each new pixel's centre: no new values arise."""
    if array.shape == (height, width):
        return array
    rows = ((np.arange(height) + 0.5) * array.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * array.shape[1] / width).astype(np.intp)
    return array[rows[:, None], columns]


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as file:
            _refuse_deep_color(file)
            image = ImageOps.exif_transpose(file)
            _refuse_other_numbers(image)
    except (
        Exception
    ) as error:  # on damaged files Pillow raises OSError, SyntaxError, ValueError, struct.error, ...
        raise ImageFileError("not readable as an image", path, str(error) or type(error).__name__) from error
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
    return image


def _refuse_deep_color(file: Image.Image) -> None:
    """Pillow keeps 16 bits of a single channel only; of several it silently drops the lower eight."""
    if file.format == "PNG" and not file.mode.startswith("I") and "16" in str(file.tile[0].args):
        raise ValueError("16 bits in several channels; store one channel of 16 bits, or 8 bits in several")


def _refuse_other_numbers(image: Image.Image) -> None:
    if image.mode == "F" or (
        image.mode.startswith("I") and not 0 <= min(image.getextrema()) <= max(image.getextrema()) <= 65535
    ):
        raise ValueError("floats, or whole numbers beyond 16 bits; store 8 or 16 bits")
