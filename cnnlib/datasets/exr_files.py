"""Reading maps from OpenEXR files, with the library of that name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cnnlib.datasets.image_files import ImageFileError
from cnnlib.pictures import MAX_PIXELS, too_large
from cnnlib.types import CnnlibError

_CHANNELS = ("Z", "Y", "V")
"""Depth, luminance, value: what renderers call the one channel of a map."""


def read_exr(path: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The channel ``Z``, ``Y`` or ``V``, or else the only one there is: float32 (H, W).

    Raises:
        ImageFileError: the file is damaged, too large, or has neither.
        CnnlibError: OpenEXR is not installed.
    """
    try:
        import OpenEXR  # few need it
    except ImportError as error:
        raise CnnlibError(f"{path}: .exr files need OpenEXR: pip install 'cnnlib[exr]'") from error
    try:
        with OpenEXR.File(str(path), header_only=True) as file:
            low, high = file.header()["dataWindow"]
        width, height = (int(side) + 1 for side in high.astype(np.int64) - low)
        if not 0 < width * height <= max_pixels:
            raise ValueError(too_large(f"{width} x {height} pixels", max_pixels))
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: channel.pixels for name, channel in file.channels().items()}
    except Exception as error:  # on damaged files RuntimeError, ValueError, ...
        raise ImageFileError("not readable as an image", path, str(error) or type(error).__name__) from error
    found = [name for name in _CHANNELS if name in channels] or [*channels][: len(channels) == 1]
    if not found:
        reason = f"it has the channels {', '.join(channels)}; expected one, or one called Z, Y or V"
        raise ImageFileError("in colour, where one channel is expected", path, reason)
    pixels = channels[found[0]]
    if pixels is None or pixels.shape != (height, width):
        raise ImageFileError("not readable as an image", path, "its pixels are damaged")
    return pixels.astype(np.float32)
