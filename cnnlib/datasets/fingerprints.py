"""Whether two pictures are the same: a hash of the file's bytes, and one of what the picture shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageOps

from cnnlib.datasets.image_files import to_rgb
from cnnlib.datasets.threads import in_threads
from cnnlib.files import file_hash
from cnnlib.pictures import open_picture
from cnnlib.types import CnnlibError

_SIDE, _LOW = 32, 8  # a picture is reduced to _SIDE x _SIDE, and described by its _LOW x _LOW slowest waves
_FLAT = 2.0  # grey levels: a reduced picture that varies less shows nothing that could be compared
_WAVES = np.cos(np.pi / _SIDE * np.outer(np.arange(_LOW), np.arange(_SIDE) + 0.5))  # of the DCT-II

T = TypeVar("T")


class Look(NamedTuple):
    """What a picture shows, and what it would show with left and right exchanged: 63 bits each."""

    plain: int
    mirrored: int


def perceptual_hash(picture: Image.Image) -> Look | None:
    """Which of the slowest waves of the grey picture are stronger than their median; ``None`` where it is nearly of one
    colour.

    Copies of a picture that were resized, compressed, or made brighter differ in few bits; those that were turned or
    cropped do not match. After Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010
    (pHash), without the mean.
    """
    gray = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    return None if gray.std() < _FLAT else Look(_strong_waves(gray), _strong_waves(gray[:, ::-1]))


def _strong_waves(gray: np.ndarray) -> int:
    waves = (_WAVES @ gray @ _WAVES.T).flatten()[1:]
    return int(sum(1 << index for index in np.flatnonzero(waves > np.median(waves)).tolist()))


class Fingerprints:
    """Those of files; each file is read once, however often it is asked for."""

    def __init__(self) -> None:
        self._digests: dict[Path, str] = {}
        self._looks: dict[Path, Look | None] = {}

    def digests(self, paths: Sequence[Path]) -> list[str]:
        """Of the bytes; empty where a file cannot be read."""
        return _of_each(paths, _digest, self._digests)

    def looks(self, paths: Sequence[Path]) -> list[Look | None]:
        """``perceptual_hash``; ``None`` also where a file cannot be read."""
        return _of_each(paths, _look, self._looks)


def _of_each(paths: Sequence[Path], read: Callable[[Path], T], known: dict[Path, T]) -> list[T]:
    if new := [path for path in dict.fromkeys(paths) if path not in known]:
        found = in_threads([partial(read, path) for path in new], "looking for the same pictures")
        known.update(zip(new, found, strict=True))
    return [known[path] for path in paths]


def _digest(path: Path) -> str:
    try:
        return file_hash(path)
    except CnnlibError:  # ``check`` of the data set reports it
        return ""


def _look(path: Path) -> Look | None:
    try:
        with open_picture(path) as file:
            file.draft("RGB", (2 * _SIDE, 2 * _SIDE))  # a JPEG is decoded at a fraction of its size
            return perceptual_hash(to_rgb(ImageOps.exif_transpose(file)))
    except Exception:  # on damaged files Pillow raises many sorts; ``check`` of the data set reports them
        return None
