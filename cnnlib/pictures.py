"""Opening picture files, which somebody else may have made: the only place that does."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "PPM", "BMP", "GIF")
"""Of Pillow's, those that pictures of data sets have. Some of the others run programs, such as EPS, which Ghostscript
reads."""
MAX_PIXELS = 89_478_485
"""What a file may claim to hold, as Pillow's own limit: beyond it, a few bytes could fill the memory."""


def open_picture(file: Path | BinaryIO, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A picture by its content, whatever it is called. Its pixels are decoded when they are asked for.

    Raises:
        ValueError: it says that it has more than ``max_pixels``.
        Exception: whatever Pillow raises on a file that is of none of ``FORMATS``, or damaged.
    """
    try:
        picture = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        raise UnidentifiedImageError(f"it starts as none of {', '.join(FORMATS)}") from None
    if picture.width * picture.height > max_pixels:
        claimed = f"{picture.width} x {picture.height} pixels"
        picture.close()
        raise ValueError(too_large(claimed, max_pixels))
    return picture


def too_large(found: str, max_pixels: int) -> str:
    """Of a picture with more pixels than are read."""
    advice = "store it smaller" + (", or raise max_pixels" if max_pixels < MAX_PIXELS else "")
    return f"{found}; at most {max_pixels:,} are read, so that no file can fill the memory: {advice}"
