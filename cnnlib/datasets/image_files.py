"""Reading image files, upright as their EXIF orientation says.

Each function raises ``ImageFileError`` if the file cannot be decoded to its end, or holds other numbers than levels of
8 or 16 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageChops, ImageOps
from torch import Tensor

from cnnlib.types import CnnlibError, Size

# The mean distance between channels, in levels: below 1 for grey saved in colour, 8 to 40 for photographs.
_MAX_GRAY_SPREAD = 4


class ImageFileError(CnnlibError):
    """One file that is not the picture it should be: ``kind`` says what is wrong, ``detail`` where and how."""

    def __init__(self, kind: str, path: Path | str, reason: str) -> None:
        self.kind = kind
        self.detail = f"{path}: {reason}"
        super().__init__(f"{kind}: {self.detail}")


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


def read_color(path: Path) -> Image.Image:
    """A picture as 8-bit RGB, whatever it is stored as. Transparent parts are black."""
    return to_rgb(_upright(path))


def to_rgb(image: Image.Image) -> Image.Image:
    """An upright picture as ``read_color`` gives it."""
    image = _on_black(image)
    if image.mode.startswith("I"):  # 16 bits: Pillow's own conversion would clip them
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    return image.convert("RGB")


def read_cutout(path: Path) -> Image.Image:
    """A picture with transparency as 8-bit RGBA."""
    image = _upright(path)
    if not image.has_transparency_data:
        raise ImageFileError("without transparency, so nothing is cut out", path, f"mode {image.mode}")
    return image.convert("RGBA")


def read_gray(path: Path) -> np.ndarray:
    """The grey levels of a mask or a depth map, (H, W), uint8 or uint16 as stored; transparent is 0. Not of colours."""
    return to_gray(_upright(path), path)


def to_gray(image: Image.Image, path: Path | str) -> np.ndarray:
    """An upright picture as ``read_gray`` gives it; ``path`` is named in errors."""
    image = _on_black(image)
    if image.mode.startswith("I"):
        return np.asarray(image).astype(np.uint16)
    if image.mode not in ("L", "1"):
        red, green, blue = image.convert("RGB").split()
        apart = ImageChops.lighter(ImageChops.difference(red, green), ImageChops.difference(green, blue))
        if np.asarray(apart).mean() > _MAX_GRAY_SPREAD:
            raise ImageFileError("in colour, where grey levels are expected", path, f"mode {image.mode}")
    return np.array(image.convert("L"))


def read_indices(path: Path) -> np.ndarray:
    """A map of classes, (H, W), uint8 or uint16: of a palette image the indices, else the grey levels."""
    return to_indices(_upright(path), path)


def to_indices(image: Image.Image, path: Path | str) -> np.ndarray:
    """An upright picture as ``read_indices`` gives it; ``path`` is named in errors."""
    return np.array(image) if image.mode in ("P", "L") else to_gray(image, path)


def _on_black(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
    return image


def _upright(path: Path) -> Image.Image:
    try:
        with Image.open(path) as file:
            # Pillow keeps 16 bits of a single channel only; of several it silently drops the lower eight.
            if file.format == "PNG" and not file.mode.startswith("I") and "16" in str(file.tile[0].args):
                raise ValueError(
                    "16 bits in several channels; store one channel of 16 bits, or 8 bits in several"
                )
            image = ImageOps.exif_transpose(file)
        low, high = image.getextrema() if image.mode.startswith("I") else (0, 0)
        if image.mode == "F" or low < 0 or high > 65535:
            raise ValueError("floats, or integers beyond 16 bits; store 8 or 16 bits")
    except Exception as error:  # on damaged files Pillow raises OSError, SyntaxError, struct.error, ...
        raise ImageFileError("not readable as an image", path, str(error) or type(error).__name__) from error
    return image
