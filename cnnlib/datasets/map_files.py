"""Reading the maps that targets are: grey levels, classes and lengths, from image files and NumPy's .npy and .npz.

Each function gives an array (H, W), levels as the file stores them, and raises ``ImageFileError`` if the file is
damaged or holds something else.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from cnnlib.datasets.array_files import read_numbers
from cnnlib.datasets.exr_files import read_exr
from cnnlib.datasets.image_files import ImageFileError, Stored, mode_of, on_black, read_stored
from cnnlib.pictures import MAX_PIXELS, too_large

# The mean distance between channels, in levels: below 1 for grey saved in colour, 8 to 40 for photographs.
_MAX_GRAY_SPREAD = 4


def read_gray(path: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """How bright each pixel of a mask is, uint8 or uint16; transparent is 0. Not of colours."""
    if _holds_numbers(path):
        array = _numbers(path, max_pixels)
        return array.astype(np.uint8) * 255 if array.dtype == bool else _levels(array, path)
    return to_gray(read_stored(path, max_pixels), path)


def read_indices(path: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """A map of classes, uint8 or uint16: of a palette image the indices, else the levels."""
    if _holds_numbers(path):
        return _levels(_numbers(path, max_pixels), path)
    return to_indices(read_stored(path, max_pixels), path)


def read_lengths(path: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """A map of depths, uint8, uint16 or float32; levels that are transparent are 0. Not of colours."""
    if path.suffix.lower() == ".exr":
        return read_exr(path, max_pixels)
    if _holds_numbers(path):
        array = _numbers(path, max_pixels)
        return array.astype(np.float32) if array.dtype.kind == "f" else _levels(array, path)
    return to_lengths(read_stored(path, max_pixels), path)


def to_gray(stored: Stored, where: Path | str) -> np.ndarray:
    """A decoded file as ``read_gray`` gives it; ``where`` is named in errors."""
    return _gray(_map(stored, where), where)


def to_indices(stored: Stored, where: Path | str) -> np.ndarray:
    """A decoded file as ``read_indices`` gives it; ``where`` is named in errors."""
    image = _map(stored, where)
    levels = np.array(image) if image.mode in ("P", "L") else _gray(image, where)
    return _unstretched(levels, stored.white)


def to_lengths(stored: Stored, where: Path | str) -> np.ndarray:
    """A decoded file as ``read_lengths`` gives it; ``where`` is named in errors."""
    image = _map(stored, where)
    return np.array(image) if image.mode == "F" else _unstretched(_gray(image, where), stored.white)


def kind_of_levels(path: Path) -> str:
    """What ``read_lengths`` gives, in words: levels of different kinds cannot share a scale."""
    if path.suffix.lower() == ".exr":
        return "floats"
    if _holds_numbers(path):
        dtype = read_numbers(path).dtype
        return "floats" if dtype.kind == "f" else "8 bits" if dtype in (bool, np.uint8) else "16 bits"
    mode = mode_of(path)
    return "floats" if mode == "F" else "16 bits" if mode.startswith("I") else "8 bits"


def _map(stored: Stored, where: Path | str) -> Image.Image:
    if stored.deep_color:
        reason = "16 bits in several channels; store one channel of 16 bits, or 8 bits in several"
        raise ImageFileError("not readable as a map", where, reason)
    return stored.image


def _gray(image: Image.Image, where: Path | str) -> np.ndarray:
    if image.mode == "F":
        raise ImageFileError("floats, where levels are expected", where, "store 8 or 16 bits")
    image = on_black(image)
    if image.mode.startswith("I"):
        return np.asarray(image).astype(np.uint16)
    if image.mode not in ("L", "1"):
        red, green, blue = image.convert("RGB").split()
        apart = ImageChops.lighter(ImageChops.difference(red, green), ImageChops.difference(green, blue))
        if np.asarray(apart).mean() > _MAX_GRAY_SPREAD:
            raise ImageFileError("in colour, where grey levels are expected", where, f"mode {image.mode}")
    return np.array(image.convert("L"))


def _unstretched(levels: np.ndarray, white: int | None) -> np.ndarray:
    """The file's own levels, of which Pillow has made brightness."""
    if white is None:
        return levels
    return np.rint(levels.astype(np.float64) * white / np.iinfo(levels.dtype).max).astype(levels.dtype)


def _holds_numbers(path: Path) -> bool:
    return path.suffix.lower() in (".npy", ".npz")


def _numbers(path: Path, max_pixels: int) -> np.ndarray:
    array = read_numbers(path)
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array.squeeze(0 if array.shape[0] == 1 else 2)
    if array.ndim != 2 or not array.size:
        reason = f"it is {array.shape}; expected (H, W)"
        raise ImageFileError("arrays of another shape", path, reason)
    if array.size > max_pixels:
        raise ImageFileError("arrays of another shape", path, too_large(f"it is {array.shape}", max_pixels))
    return array


def _levels(array: np.ndarray, path: Path) -> np.ndarray:
    """Integers as uint8 where that is what they are stored as, else as uint16."""
    if array.dtype.kind == "f":
        raise ImageFileError("floats, where levels are expected", path, "store 8 or 16 bits")
    if array.dtype.kind == "b" or array.dtype == np.uint8:
        return array.astype(np.uint8)
    low, high = array.min(), array.max()
    if low < 0 or high > 65535:
        reason = f"it reaches from {low} to {high}; expected 0 to 65535"
        raise ImageFileError("not readable as a map", path, reason)
    return array.astype(np.uint16)
