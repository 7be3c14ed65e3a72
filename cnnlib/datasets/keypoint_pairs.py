"""Which annotation belongs to which picture, and what is left out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cnnlib.datasets.keypoint_rows import KeypointFile, KeypointRow
from cnnlib.datasets.listing import ImageFolder, list_folders, without_suffix
from cnnlib.datasets.problems import LeftOut, Problems

UNPAIRED = "(more than half of all; do the annotations and the images belong together?)"


def list_pictures(folders: Sequence[Path], prefixes: Sequence[str], problems: Problems) -> ImageFolder:
    """The pictures in folders and all folders in these; a prefix starts the names of each folder's.

    Raises:
        CnnlibError: as ``list_folders``, with all earlier problems.
    """
    places = {}
    for prefix, folder in zip(prefixes, folders, strict=True):
        places[prefix] = folder
        for place, inner, _ in os.walk(folder):
            inner[:] = [name for name in inner if not name.startswith(".")]
            for path in (Path(place, name) for name in inner):
                places[f"{prefix}{path.relative_to(folder).as_posix()}/"] = path
    deepest_first = dict(sorted(places.items(), key=lambda place: -len(place[0])))
    return list_folders({"images": deepest_first}, problems)["images"]


def paired_rows(
    files: Iterable[tuple[KeypointFile, str]],
    pictures: ImageFolder,
    problems: Problems,
    left_out: LeftOut,
) -> dict[str, KeypointRow]:
    """The annotations by picture. Takes pictures without one out of ``pictures``.

    Args:
        files: each with what the names of its pictures start with.
    """
    rows: dict[str, KeypointRow] = {}
    lost, count = [], 0
    for file, prefix in files:
        count += len(file.rows)
        by_last = _by_last_part(pictures, prefix)
        for row in file.rows:
            name = _picture_of(row, prefix, pictures, by_last)
            if name is None:
                lost.append(f"{row.image} ({row.place})")
            elif rows.setdefault(name, row) is not row:
                problems.add(
                    "images with several annotations; one object per image is expected",
                    f"{name}: {rows[name].place} and {row.place}",
                )
    plain = sorted(pictures.keys() - rows.keys())
    if len(lost) > count / 2:
        for name in lost:
            problems.add(f"annotations without an image {UNPAIRED}", name)
    for name in plain:
        del pictures[name]
    left_out.add("annotations without an image", lost)
    left_out.add("images without a known point", plain)
    return rows


def _picture_of(
    row: KeypointRow, prefix: str, pictures: ImageFolder, by_last: Mapping[str, str | None]
) -> str | None:
    name = without_suffix(row.image.replace("\\", "/").removeprefix("./"))
    whole = prefix + name
    return whole if whole in pictures else by_last.get(name.rpartition("/")[2])


def _by_last_part(pictures: ImageFolder, prefix: str) -> dict[str, str | None]:
    """``cats/x`` by ``x``; ``None`` where several pictures are called so."""
    found: dict[str, str | None] = {}
    for name in pictures:
        if name.startswith(prefix):
            last = name.rpartition("/")[2]
            found[last] = None if last in found else name
    return found
