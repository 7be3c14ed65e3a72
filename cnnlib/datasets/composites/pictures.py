"""The pictures that composites are made of: decoded once, kept in the cache, shared by all processes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cnnlib.datasets.cache import ArraySpec, cache_root, cached_arrays
from cnnlib.datasets.image_files import ImageFileError, read_color, read_cutout
from cnnlib.datasets.listing import ImageFolder
from cnnlib.datasets.map_files import read_gray
from cnnlib.datasets.problems import Problems
from cnnlib.types import CnnlibError

VERSION = 1
"""Counted up whenever what is stored changes."""
_LEAST_ALPHA = 8
"""A foreground begins where alpha is this high."""


@dataclass(frozen=True)
class Pictures:
    """
    Attributes:
        cutouts: (F, S, S, 4) uint8, colours times alpha, and alpha; each in the upper left corner.
        shapes: of the cut-outs, (F, 2): height and width.
        backgrounds: (B, 3, S, S) uint8.
        depths: (B, S, S) uint8 or uint16, as stored; ``None`` where there are none.
    """

    cutouts: np.ndarray
    shapes: np.ndarray
    backgrounds: np.ndarray
    depths: np.ndarray | None


def open_pictures(
    foregrounds: ImageFolder,
    backgrounds: ImageFolder,
    depths: ImageFolder | None,
    size: int,
    cache_dir: str | None,
    what: str,
) -> Pictures:
    """Decodes what is not in the cache yet. Backgrounds and their depths are paired by name; both, like the cut-outs,
    are in the order of their names.

    Raises:
        CnnlibError: with every picture that cannot be used.
    """
    problems = Problems(what)
    if depths is not None:
        for name in sorted(backgrounds.keys() - depths.keys()):
            problems.add(f"backgrounds without a depth map of the same name in {depths}", name)
        problems.raise_any()
    folder = cache_root(cache_dir) / "composites"
    cutouts = _stored(
        folder,
        foregrounds,
        {"cutout": ArraySpec((size, size, 4), "|u1"), "shape": ArraySpec((2,), "<i4")},
        lambda path: _cutout(path, size),
        size,
        problems,
    )
    pictures = _stored(
        folder,
        backgrounds,
        {"background": ArraySpec((3, size, size), "|u1")},
        lambda path: {"background": np.array(_square(read_color(path), size)).transpose(2, 0, 1)},
        size,
        problems,
    )
    problems.raise_any()
    maps = None
    if depths is not None:
        own = ImageFolder({})
        own.places = depths.places
        own |= {name: depths[name] for name in backgrounds}
        dtype = _depth_type(own)
        maps = _stored(
            folder,
            own,
            {"depth": ArraySpec((size, size), dtype)},
            lambda path: {"depth": _depth(path, size, dtype)},
            size,
            problems,
        )
        problems.raise_any()
    shapes = [(height, width) for height, width in cutouts["shape"].tolist()]
    return Pictures(cutouts["cutout"], shapes, pictures["background"], maps and maps["depth"])


def _stored(
    folder: Path,
    files: ImageFolder,
    rows: Mapping[str, ArraySpec],
    decode: Callable[[Path], Mapping[str, np.ndarray]],
    size: int,
    problems: Problems,
) -> dict[str, np.ndarray]:
    """The decoded files, an array for each of ``rows``; by content, so that a changed file is decoded again."""
    names = sorted(files)
    digest = hashlib.sha256()
    for name in names:
        digest.update(hashlib.sha256(files.path(name).read_bytes()).digest())
    kind = next(iter(rows))
    made_from = {"version": VERSION, "size": size, "files": digest.hexdigest()}
    specs = {key: ArraySpec((len(names), *row.shape), row.dtype) for key, row in rows.items()}
    empty = {key: np.zeros((1, *row.shape), row.dtype) for key, row in rows.items()}

    def batches() -> Iterator[Mapping[str, np.ndarray]]:
        for name in names:
            try:
                yield {key: array[None] for key, array in decode(files.path(name)).items()}
            except ImageFileError as error:
                problems.add(f"files that are {error.kind}", error.detail)
                yield empty
        problems.raise_any()  # nothing is kept of a set with a broken file

    found = cached_arrays(folder / f"{kind}-{size}-{digest.hexdigest()[:16]}", made_from, specs, batches)
    # A view of a memory map as a plain array: the class of maps makes each access several times as slow.
    return {key: array.view(np.ndarray) for key, array in found.items()}


def _cutout(path: Path, size: int) -> dict[str, np.ndarray]:
    """Cut to what is not transparent; not larger than it can be needed."""
    picture = read_cutout(path)
    box = picture.getchannel("A").point(lambda alpha: 255 if alpha >= _LEAST_ALPHA else 0).getbbox()
    if box is None:
        raise ImageFileError("transparent everywhere", path, "nothing is cut out")
    picture = picture.crop(box)
    shrink = size / max(picture.size)
    if shrink < 1:
        sides = tuple(max(1, round(side * shrink)) for side in picture.size)
        picture = picture.resize(sides, Image.Resampling.LANCZOS)
    array = np.array(picture.convert("RGBa"))
    padded = np.zeros((size, size, 4), np.uint8)
    padded[: array.shape[0], : array.shape[1]] = array
    return {"cutout": padded, "shape": np.array(array.shape[:2])}


def _square(picture: Image.Image, size: int) -> Image.Image:
    """The middle of a picture, ``size`` x ``size``."""
    return picture.resize((size, size), Image.Resampling.LANCZOS, box=_middle(*picture.size))


def _middle(width: int, height: int) -> tuple[float, float, float, float]:
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _depth(path: Path, size: int, dtype: str) -> np.ndarray:
    levels = read_gray(path)
    if levels.dtype != np.dtype(dtype):
        raise ImageFileError(
            "of another number of bits than the first depth map", path, f"{8 * levels.dtype.itemsize} bits"
        )
    left, top, right, _ = _middle(levels.shape[1], levels.shape[0])
    centres = (np.arange(size) + 0.5) * (right - left) / size
    return levels[(top + centres).astype(int)[:, None], (left + centres).astype(int)]


def _depth_type(depths: ImageFolder) -> str:
    first = min(depths)
    try:
        return read_gray(depths.path(first)).dtype.str
    except ImageFileError as error:
        raise CnnlibError(f"depths: {error}") from None
