"""Reading maps from NumPy's .npy files, as the data sets of multi-task papers store them.

Each function raises ``ImageFileError`` if the file is damaged or holds something else.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cnnlib.datasets.image_files import ImageFileError
from cnnlib.files import check_is_file
from cnnlib.types import Size, Target

_ROUNDING = 0.001  # by which an interpolated picture may leave [0, 1]
_LENGTH_ERROR = 0.2  # of a file's directions, in the middle
_ZIP = b"PK\x03\x04"
_MAX_BYTES = 2**30  # of an unpacked array


def read_image(path: Path, size: Size | None) -> Tensor:
    """Numbers (H, W, 3) in [0, 1] to float32 (3, H, W); of any size for ``None``."""
    height, width = size or (None, None)
    image = _read(path, (height, width, 3))
    low, high = image.min(), image.max()
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        expected = "colours from 0 to 1" + (": divide them by 255" if low >= 0 and high <= 255 else "")
        raise ImageFileError(
            "not usable as an image", path, f"it reaches from {low:g} to {high:g}; expected {expected}"
        )
    return _channels_first(image).clamp(0, 1)


def read_classes(path: Path, size: Size, classes: int) -> Target:
    """Numbers (H, W) to int64 (1, H, W); -1 is not valid."""
    array = _read(path, size)
    if not (array == np.rint(array)).all() or array.min() < -1 or array.max() >= classes:
        raise ImageFileError(
            "not usable as semantic",
            path,
            f"it reaches from {array.min():g} to {array.max():g}; expected integers from 0 to {classes - 1}, and -1 "
            "where no class is known",
        )
    value = torch.from_numpy(array.astype(np.int64))[None]
    return Target(value, value >= 0)


def read_depth(path: Path, size: Size) -> Target:
    """Numbers (H, W, 1) to float32 (1, H, W); 0 and less is not valid."""
    value = _channels_first(_read(path, (*size, 1)))
    return Target(value, value > 0)


def read_normals(path: Path, size: Size, axes: tuple[int, int, int]) -> Target:
    """Numbers (H, W, 3) to unit vectors, float32 (3, H, W); vectors of length 0 are not valid.

    Args:
        axes: 1 or -1 for each of x, y and z, which the file's are multiplied by.
    """
    stored = _channels_first(_read(path, (*size, 3)))
    length = stored.norm(dim=0, keepdim=True)
    valid = length > 0
    if valid.any() and abs(length[valid].median() - 1) > _LENGTH_ERROR:
        raise ImageFileError(
            "not usable as normals",
            path,
            f"half of them are shorter than {length[valid].median():g}; expected 1",
        )
    return Target(stored / length.clamp(min=1e-12) * torch.tensor(axes).view(3, 1, 1), valid)


def read_numbers(path: Path) -> np.ndarray:
    """The one array of a .npy or .npz file: booleans, integers or floats; of .npy files a memory map.

    Nothing is unpickled.
    """
    try:
        check_is_file(path)
        with path.open("rb") as file:
            zipped = file.read(4) == _ZIP
        # As a map: a header that promises more than the file holds costs no memory.
        array = _unzipped(path) if zipped else np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # on damaged files NumPy raises OSError, ValueError, SyntaxError, ...
        reason = f"it is no .npy file of numbers ({str(error) or type(error).__name__})"
        raise ImageFileError("not readable as an array", path, reason) from error
    if array.dtype.kind not in "biuf":
        raise ImageFileError("not readable as an array", path, f"it holds {array.dtype}; expected numbers")
    return array


def _unzipped(path: Path) -> np.ndarray:
    """The array of a .npz file, whose checksum is right."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1:
            raise ValueError(f"{len(members)} arrays in it; expected one")
        if members[0].file_size > _MAX_BYTES:
            raise ValueError(f"{members[0].file_size:,} bytes once unpacked; at most {_MAX_BYTES:,} are read")
        return np.lib.format.read_array(io.BytesIO(archive.read(members[0])), allow_pickle=False)


def _read(path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
    """Finite numbers of that shape; ``None`` is any size."""
    array = read_numbers(path)
    if array.dtype.kind == "b":
        raise ImageFileError("not readable as an array", path, f"it holds {array.dtype}; expected numbers")
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, side) for side, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits or not array.size:
        sides = ("H", "W", "C")
        expected = ", ".join(sides[axis] if side is None else str(side) for axis, side in enumerate(shape))
        raise ImageFileError("arrays of another shape", path, f"it is {array.shape}; expected ({expected})")
    if not np.isfinite(array).all():
        raise ImageFileError("arrays with NaN or infinite values", path, "expected finite numbers alone")
    return np.array(array)


def _channels_first(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32)).permute(2, 0, 1).contiguous()
