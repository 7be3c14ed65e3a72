"""Reading image files, upright as their EXIF orientation says, by their content, whatever they are called.

Each function raises ``ImageFileError`` if the file cannot be decoded to its end. What a file's format lets no reader
notice stays unnoticed: a JPEG and a WebP have no checksums.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor

from cnnlib.files import read_bytes
from cnnlib.pictures import MAX_PIXELS, decode_picture, open_picture, too_large
from cnnlib.types import CnnlibError, Size

_MODES = {
    "1",
    "L",
    "LA",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBX",
    "CMYK",
    "YCbCr",
    "I",
    "I;16",
    "I;16B",
    "I;16L",
    "F",
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WHITE_IS_ZERO = 0  # of TIFF's tag PhotometricInterpretation


class ImageFileError(CnnlibError):
    """One file that is not the picture it should be: ``kind`` says what is wrong, ``detail`` where and how."""

    def __init__(self, kind: str, path: Path | str, reason: str) -> None:
        self.kind = kind
        self.detail = f"{path}: {reason}"
        super().__init__(f"{kind}: {self.detail}")


class Stored(NamedTuple):
    """A decoded file."""

    image: Image.Image
    """Upright."""
    deep_color: bool
    """The file has several channels of 16 bits, of which Pillow gives the upper eight."""
    white: int | None
    """The file's highest level, where Pillow has stretched its levels to 255 or 65535."""


def to_image(pictures: Sequence[Image.Image], size: Size | None) -> Tensor:
    """What a net sees of RGB pictures, one after the other: float32 (3 N, H, W) in [0, 1].

    Args:
        size: of the result, with antialiasing; ``None``: that of the last picture.
    """
    height, width = size or (pictures[-1].height, pictures[-1].width)
    arrays = []
    for picture in pictures:
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)  # Pillow's has antialiasing
        arrays.append(torch.from_numpy(np.array(picture)))
    return torch.cat(arrays, dim=2).permute(2, 0, 1).contiguous().float().div_(255)


def read_color(path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A picture as 8-bit RGB, whatever it is stored as; of 16 bits, the upper eight. Transparent parts are black."""
    return to_color(read_stored(path, max_pixels), path)


def to_color(stored: Stored, where: Path | str) -> Image.Image:
    """A decoded file as ``read_color`` gives it; ``where`` is named in errors."""
    if stored.image.mode == "F":
        raise ImageFileError(
            "not readable as a picture", where, "it holds floats; store levels of 8 or 16 bits"
        )
    return to_rgb(stored.image)


def to_rgb(image: Image.Image) -> Image.Image:
    """An upright picture as ``read_color`` gives it."""
    image = on_black(image)
    if image.mode.startswith("I"):  # 16 bits: Pillow's own conversion would clip them
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    return image.convert("RGB")


def read_cutout(path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A picture with transparency as 8-bit RGBA."""
    image = read_stored(path, max_pixels).image
    if not image.has_transparency_data:
        raise ImageFileError("without transparency, so nothing is cut out", path, f"mode {image.mode}")
    return image.convert("RGBA")


def on_black(image: Image.Image) -> Image.Image:
    """The same without transparency."""
    if image.has_transparency_data and not image.mode.startswith("I"):
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
    elif image.has_transparency_data:  # one level of 16 bits; Pillow would clip the others
        levels = np.array(image)
        levels[levels == image.info["transparency"]] = 0
        image = Image.fromarray(levels)
    return image


def read_stored(path: Path, max_pixels: int = MAX_PIXELS) -> Stored:
    """
    Raises:
        ImageFileError: the file is damaged, says that it has more than ``max_pixels``, has several pages, or holds
            other numbers than floats and levels of 8 or 16 bits.
    """
    try:
        open_picture(path, max_pixels).close()  # by its header: a file that claims too much is not read
        content = read_bytes(path)
    except Exception as error:
        raise ImageFileError("not readable as an image", path, _reason_of_file(path, error)) from error
    return decode_stored(content, path, max_pixels)


def decode_stored(content: bytes, where: Path | str, max_pixels: int = MAX_PIXELS) -> Stored:
    """As ``read_stored``, of what a file contains; ``where`` is named in errors."""
    try:
        with decode_picture(content, max_pixels) as file:
            _check_claims(file)
            stored = _storage(file)
            file.load()
            image = _turned(file)
        if image.mode in ("I;16B", "I;16L"):  # which Pillow knows little of
            image = Image.fromarray(np.array(image).astype(np.uint16))
        low, high = image.getextrema() if image.mode.startswith("I") else (0, 0)
        if low < 0 or high > 65535:
            raise ValueError("integers beyond 16 bits; store 8 or 16 bits")
    except Exception as error:  # on damaged files Pillow raises OSError, SyntaxError, struct.error, ...
        raise ImageFileError("not readable as an image", where, _reason(error)) from error
    return Stored(image, *stored)


def mode_of(path: Path) -> str:
    """Pillow's mode of a file; its pixels are not decoded."""
    try:
        with open_picture(path) as file:
            return file.mode
    except Exception as error:
        raise ImageFileError("not readable as an image", path, _reason_of_file(path, error)) from error


def _check_claims(file: Image.Image) -> None:
    """What the file says of itself, before its pixels are decoded."""
    # An MPO is a phone's JPEG with further views behind the picture.
    if file.format != "MPO" and getattr(file, "is_animated", False):
        raise ValueError("it has several pages or frames; store one")
    if file.mode not in _MODES:
        raise ValueError(f"colours of the kind {file.mode}; store RGB, grey levels or a palette")
    if file.format == "TIFF" and file.mode.startswith("I") and file.tag_v2.get(262) == _WHITE_IS_ZERO:
        raise ValueError("level 0 of 16 bits is white; store 0 as black")  # Pillow would not invert them


def _storage(file: Image.Image) -> tuple[bool, int | None]:
    """``deep_color`` and ``white`` of ``Stored``, by what Pillow's decoder is asked to do."""
    given = file.tile[0].args if file.tile else ()
    first, *others = (given,) if isinstance(given, str) else given or ("",)
    if file.format == "PPM":
        white = others[0] if first in ("L", "RGB") and others else None
        return file.mode == "RGB" and (white or 0) > 255, white
    if file.mode == "1":
        return False, 1
    bits = re.match(r"L;([24])", str(first))
    return "16" in str(first) and not file.mode.startswith("I"), 2 ** int(bits[1]) - 1 if bits else None


def _turned(image: Image.Image) -> Image.Image:
    """Upright, and without an orientation that would turn it again; those that do not exist, and EXIF data that cannot
    be read, say nothing.
    """
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # as for damaged pixels
        turn = None
    upright = image.copy() if turn is None else image.transpose(turn)
    upright.info = {key: value for key, value in image.info.items() if key == "transparency"}
    return upright


def _reason_of_file(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return f"a link to {path.readlink()}, which does not exist"
    if isinstance(error, UnidentifiedImageError) and path.stat().st_size == 0:
        return "the file is empty"
    return _reason(error)


def _reason(error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return too_large(str(error), MAX_PIXELS)
    return str(error) or type(error).__name__
