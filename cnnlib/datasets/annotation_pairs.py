"""Which annotation belongs to which picture, and what is left out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from cnnlib.datasets.listing import ImageFolder, Partner, composed, list_folders, without_suffix
from cnnlib.datasets.problems import Problems, as_line
from cnnlib.types import CnnlibError


class Row(Protocol):
    """The annotation of one image."""

    image: str
    """As the file names it."""
    place: str
    """Where it stands, for messages."""


R = TypeVar("R", bound=Row)


class AnnotationFile(Protocol[R]):
    """One annotation file."""

    rows: list[R]


_UNPAIRED = "(more than half of all; do `annotations` and `images` belong together?)"


def folders_of(images: str | Sequence[str], files: int) -> tuple[list[str], list[str]]:
    """The folders of images, and what starts the names of each one's.

    Raises:
        CnnlibError: there are several, but not one for each of the annotation ``files``.
    """
    given = [images] if isinstance(images, str) else images
    folders = [Path(folder).as_posix() for folder in given]
    if len(folders) not in (1, files):
        raise CnnlibError(
            f"images must name one folder, or one for each of the {files} annotations; it names {len(folders)}"
        )
    return folders, [composed(f"{folder}/") if len(folders) > 1 else "" for folder in folders]


def own_group(group_of: Partner, prefixes: Sequence[str], name: str) -> str | None:
    """The folder of an image is no part of its group: a person may be in several."""
    prefix = max((prefix for prefix in prefixes if name.startswith(prefix)), key=len)
    return group_of(name.removeprefix(prefix))


def report_left_out(what: str, left_out: Mapping[str, Sequence[str]]) -> None:
    """On stderr: how many of each kind, and the first few."""
    for kind, names in left_out.items():
        if names:
            few = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            print(f"{what}: left out {len(names)} {kind}: {as_line(few)}", file=sys.stderr)


def list_pictures(folders: Sequence[Path], prefixes: Sequence[str], problems: Problems) -> ImageFolder:
    """The pictures in folders and all folders in these; a prefix starts the names of each folder's.

    Raises:
        CnnlibError: as ``list_folders``, with all earlier problems.
    """
    places = {}
    for prefix, folder in zip(prefixes, folders, strict=True):
        places[prefix] = folder
        for place, inner, _ in os.walk(folder):
            inner[:] = [name for name in inner if not name.startswith(".") and not _leads_back(place, name)]
            for path in (Path(place, name) for name in inner):
                places[f"{prefix}{path.relative_to(folder).as_posix()}/"] = path
    deepest_first = dict(sorted(places.items(), key=lambda place: -len(place[0])))
    return list_folders({"images": deepest_first}, problems)["images"]


def _leads_back(place: str, name: str) -> bool:
    """A link to a folder that it is in itself: its pictures would be there twice."""
    path = Path(place, name)
    return path.is_symlink() and Path(os.path.realpath(place)).is_relative_to(os.path.realpath(path))


def paired_rows(
    files: Iterable[tuple[AnnotationFile[R], str]],
    pictures: ImageFolder,
    problems: Problems,
    without: str,
) -> tuple[dict[str, R], dict[str, list[str]]]:
    """The annotations by picture, and what is left out: names by kind. Takes pictures without one out of ``pictures``.

    Args:
        files: each with what the names of its pictures start with.
        without: what images without an annotation are called.
    """
    rows: dict[str, R] = {}
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
            problems.add(f"annotations without an image {_UNPAIRED}", name)
    for name in plain:
        del pictures[name]
    return rows, {"annotations without an image": lost, without: plain}


def _picture_of(
    row: Row, prefix: str, pictures: ImageFolder, by_last: Mapping[str, str | None]
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
