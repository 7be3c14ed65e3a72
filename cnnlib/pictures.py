"""Opening picture files, which somebody else may have made: the only place that does."""

from __future__ import annotations

import io
import zlib
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


def decode_picture(content: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """As ``open_picture``, of a whole file; a PNG whose checksums are wrong raises ``ValueError``."""
    picture = open_picture(io.BytesIO(content), max_pixels)
    if picture.format == "PNG":
        check_sums(content)
    return picture


def check_sums(content: bytes) -> None:
    """Of a PNG: Pillow passes over those of the pixels. Raises ``ValueError``."""
    given, at = memoryview(content), 8
    while at < len(given):
        end = at + 8 + int.from_bytes(given[at : at + 4])
        kind = bytes(given[at + 4 : at + 8])
        if end + 4 > len(given):
            raise ValueError("the file ends too early")
        wrong = zlib.crc32(given[at + 4 : end]) != int.from_bytes(given[end : end + 4])
        if wrong and kind[:1].isupper():  # the others, such as texts, do not matter
            raise ValueError(f"the checksum of its {kind.decode('latin-1')} chunk is wrong: it is damaged")
        if kind == b"IEND":
            return
        at = end + 4
    raise ValueError("the file ends too early")


def too_large(found: str, max_pixels: int) -> str:
    """Of a picture with more pixels than are read."""
    advice = "store it smaller" + (", or raise max_pixels" if max_pixels < MAX_PIXELS else "")
    return f"{found}; at most {max_pixels:,} are read, so that no file can fill the memory: {advice}"
