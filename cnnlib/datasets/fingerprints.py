"""Whether two pictures are the same: a hash of the stored bytes, and a perceptual hash."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from PIL import Image, ImageOps

from cnnlib.datasets.image_files import to_rgb
from cnnlib.datasets.threads import in_threads
from cnnlib.files import read_bytes
from cnnlib.pictures import open_picture
from cnnlib.types import EmbeddedPicture

_SIDE, _LOW = 32, 8  # a picture is reduced to _SIDE x _SIDE, and described by its _LOW x _LOW slowest waves
_FLAT = 2.0  # grey levels: a reduced picture that varies less shows nothing that could be compared
_WAVES = np.cos(np.pi / _SIDE * np.outer(np.arange(_LOW), np.arange(_SIDE) + 0.5))  # of the DCT-II

_NPY = b"\x93NUMPY"  # the first bytes of a .npy file

StoredPicture: TypeAlias = Path | EmbeddedPicture
T = TypeVar("T")


class PerceptualHash(NamedTuple):
    """What a picture shows, and what it would show with left and right exchanged: 63 bits each."""

    plain: int
    mirrored: int


def perceptual_hash(picture: Image.Image) -> PerceptualHash | None:
    """Which of the slowest waves of the grey picture are stronger than their median; ``None`` where it is nearly of one
    colour.

    Copies of a picture that were resized, compressed, or made brighter differ in few bits; those that were turned or
    cropped do not match. After Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010
    (pHash), without the mean.
    """
    gray = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    return None if gray.std() < _FLAT else PerceptualHash(_strong_waves(gray), _strong_waves(gray[:, ::-1]))


def _strong_waves(gray: np.ndarray) -> int:
    waves = (_WAVES @ gray @ _WAVES.T).flatten()[1:]
    return int(sum(1 << index for index in np.flatnonzero(waves > np.median(waves)).tolist()))


class Fingerprints:
    """Those of stored pictures; each is read once, however often it is asked for."""

    def __init__(self) -> None:
        self._digests: dict[StoredPicture, str] = {}
        self._perceptual: dict[StoredPicture, PerceptualHash | None] = {}

    def digests(self, pictures: Sequence[StoredPicture]) -> list[str]:
        """SHA-256 of the stored bytes; empty where a picture cannot be read."""
        return _of_each(pictures, _digest, self._digests)

    def perceptual(self, pictures: Sequence[StoredPicture]) -> list[PerceptualHash | None]:
        """``perceptual_hash``; ``None`` also where a picture cannot be read."""
        return _of_each(pictures, _perceptual, self._perceptual)


def _of_each(
    pictures: Sequence[StoredPicture], read: Callable[[StoredPicture], T], known: dict[StoredPicture, T]
) -> list[T]:
    if new := [picture for picture in dict.fromkeys(pictures) if picture not in known]:
        found = in_threads([partial(read, picture) for picture in new], "looking for the same pictures")
        known.update(zip(new, found, strict=True))
    return [known[picture] for picture in pictures]


def _digest(picture: StoredPicture) -> str:
    try:
        return hashlib.sha256(_content(picture)).hexdigest()
    except Exception:  # a source may raise any exception; ``check`` of the data set reports it
        return ""


def _perceptual(picture: StoredPicture) -> PerceptualHash | None:
    try:
        content = _content(picture)
        if content.startswith(_NPY):
            return perceptual_hash(_gray_of_array(content))
        with open_picture(io.BytesIO(content)) as file:
            file.draft("RGB", (2 * _SIDE, 2 * _SIDE))  # a JPEG is decoded at a fraction of its size
            return perceptual_hash(to_rgb(ImageOps.exif_transpose(file)))
    except Exception:  # on damaged files Pillow raises many sorts; ``check`` of the data set reports them
        return None


def _content(picture: StoredPicture) -> bytes:
    return read_bytes(picture) if isinstance(picture, Path) else picture.read()


def _gray_of_array(content: bytes) -> Image.Image:
    """The mean over the channels, the shortest axis, of a .npy file of numbers in [0, 1]."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    gray = array.mean(axis=np.argmin(array.shape)) * 255
    return Image.fromarray(gray.clip(0, 255).astype(np.uint8))
