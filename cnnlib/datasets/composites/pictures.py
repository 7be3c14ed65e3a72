"""The pictures that composites are made of: decoded once, kept in the cache, shared by all processes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from cnnlib.datasets.cache import ArraySpec, cache_root, cached_arrays
from cnnlib.datasets.image_files import ImageFileError, read_color, read_cutout
from cnnlib.datasets.listing import ImageFolder
from cnnlib.datasets.map_files import kind_of_levels, read_lengths
from cnnlib.datasets.problems import Problems
from cnnlib.files import file_hash
from cnnlib.types import CnnlibError

VERSION = 3
"""Counted up whenever what is stored changes."""
_LEAST_ALPHA = 8
"""A foreground begins where alpha is this high."""
_DEPTH_TYPES = {"8 bits": "|u1", "16 bits": "<u2", "floats": "<f4"}


@dataclass(frozen=True)
class Pictures:
    """All of them by number, in the order of their names; a broken one is 0 everywhere.

    Attributes:
        cutouts: (F, S, S, 4) uint8, colours times alpha, and alpha; each in the upper left corner.
        shapes: of the cut-outs, (F, 2): height and width.
        backgrounds: (B, 3, S, S) uint8.
        depths: (B, S, S) uint8, uint16 or float32, as stored; ``None`` where there are none.
        broken: the numbers of foregrounds, and of backgrounds, of which a file cannot be used.
    """

    cutouts: np.ndarray
    shapes: Sequence[tuple[int, int]]
    backgrounds: np.ndarray
    depths: np.ndarray | None
    broken: tuple[frozenset[int], frozenset[int]]


class _Decoded(NamedTuple):
    """The files of one kind: arrays with a row for each, and the numbers of those that are broken."""

    arrays: dict[str, np.ndarray]
    broken: frozenset[int]


def open_pictures(
    foregrounds: ImageFolder,
    backgrounds: ImageFolder,
    depths: ImageFolder | None,
    size: int,
    cache_dir: str | None,
    max_pixels: int,
    broken: Problems,
) -> Pictures:
    """Decodes what is not in the cache yet. Backgrounds and their depths are paired by name.

    Args:
        depths: one for each background, all of one kind.
        max_pixels: of a file.
        broken: is given the files that cannot be used.
    """
    places = sorted(backgrounds)
    folder = cache_root(cache_dir) / "composites"
    limits = {"size": size, "max_pixels": max_pixels}
    cutouts = _decoded(
        folder,
        [foregrounds.path(name) for name in sorted(foregrounds)],
        {"cutout": ArraySpec((size, size, 4), "|u1"), "shape": ArraySpec((2,), "<i4")},
        lambda path: _cutout(path, size, max_pixels),
        limits,
        broken,
    )
    pictures = _decoded(
        folder,
        [backgrounds.path(name) for name in places],
        {"background": ArraySpec((3, size, size), "|u1")},
        lambda path: {"background": np.array(_square(read_color(path, max_pixels), size)).transpose(2, 0, 1)},
        limits,
        broken,
    )
    maps = None
    if depths is not None:
        files = [depths.path(name) for name in places]
        maps = _decoded(
            folder,
            files,
            {"depth": ArraySpec((size, size), _depth_type(files))},
            lambda path: {"depth": _depth(path, size, max_pixels)},
            limits,
            broken,
        )
    shapes = [(height, width) for height, width in cutouts.arrays["shape"].tolist()]
    lost = cutouts.broken, pictures.broken | (maps.broken if maps else frozenset())
    depth = maps.arrays["depth"] if maps else None
    return Pictures(cutouts.arrays["cutout"], shapes, pictures.arrays["background"], depth, lost)


def _decoded(
    folder: Path,
    files: Sequence[Path],
    rows: Mapping[str, ArraySpec],
    decode: Callable[[Path], Mapping[str, np.ndarray]],
    limits: Mapping[str, int],
    problems: Problems,
) -> _Decoded:
    """The decoded files, an array for each of ``rows``; by content, so that a changed file is decoded again."""
    digest = hashlib.sha256("".join(map(_digest, files)).encode()).hexdigest()
    entry = folder / f"{next(iter(rows))}-{limits['size']}-{digest[:16]}"
    made_from = {"version": VERSION, **limits, "files": digest}
    rows = {**rows, "broken": ArraySpec((), "|b1")}
    specs = {key: ArraySpec((len(files), *row.shape), row.dtype) for key, row in rows.items()}
    empty = {key: np.full((1, *row.shape), key == "broken", row.dtype) for key, row in rows.items()}
    whole = {"broken": np.zeros(1, bool)}

    def batches() -> Iterator[Mapping[str, np.ndarray]]:
        for path in files:
            try:
                yield {key: array[None] for key, array in decode(path).items()} | whole
            except ImageFileError:
                yield empty

    found = cached_arrays(entry, made_from, specs, batches, verify=True)
    broken = np.flatnonzero(found["broken"]).tolist()
    for number in broken:
        try:
            decode(files[number])
            problems.add(
                "files that could not be read before, and can be now", f"{files[number]}: delete {entry}"
            )
        except ImageFileError as error:
            problems.add(f"files that are {error.kind}", error.detail)
    # A view of a memory map as a plain array: the class of maps makes each access several times as slow.
    return _Decoded({key: array.view(np.ndarray) for key, array in found.items()}, frozenset(broken))


def _digest(path: Path) -> str:
    try:
        return file_hash(path)
    except CnnlibError:  # decoding it raises the error
        return ""


def _cutout(path: Path, size: int, max_pixels: int) -> dict[str, np.ndarray]:
    """Cut to what is not transparent; not larger than it can be needed."""
    picture = read_cutout(path, max_pixels)
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


def _depth(path: Path, size: int, max_pixels: int) -> np.ndarray:
    levels = read_lengths(path, max_pixels)
    left, top, right, _ = _middle(levels.shape[1], levels.shape[0])
    centres = (np.arange(size) + 0.5) * (right - left) / size
    return levels[(top + centres).astype(int)[:, None], (left + centres).astype(int)]


def check_depths(backgrounds: ImageFolder, depths: ImageFolder, problems: Problems) -> None:
    """Tells ``problems`` which backgrounds have no depth map, and whether the maps are not all of one kind."""
    for name in sorted(backgrounds.keys() - depths.keys()):
        problems.add(f"backgrounds without a depth map of the same name in {depths}", name)
    kinds = _kinds([depths.path(name) for name in sorted(backgrounds.keys() & depths.keys())])
    for kind, path in kinds.items() if len(kinds) > 1 else ():
        problems.add("depth maps of different kinds, which cannot share one scale", f"{kind}: {path}")


def _kinds(files: Sequence[Path]) -> dict[str, Path]:
    """What kinds of levels there are, and the first file of each."""
    found: dict[str, Path] = {}
    for path in files:
        with suppress(ImageFileError):  # decoding it raises the error
            found.setdefault(kind_of_levels(path), path)
    return found


def _depth_type(files: Sequence[Path]) -> str:
    return _DEPTH_TYPES[next(iter(_kinds(files)), "8 bits")]
