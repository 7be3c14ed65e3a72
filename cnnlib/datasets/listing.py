"""Which files there are, by name, and what their names and tables of names say."""

from __future__ import annotations

import csv
import io
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from cnnlib.checks import did_you_mean
from cnnlib.datasets.problems import Problems
from cnnlib.files import read_bytes
from cnnlib.types import CnnlibError

Partner: TypeAlias = Callable[[str], str | None]
"""From a sample's name to that of another file, or of its group; ``None`` where it is not known."""

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".pgm", ".ppm", ".pnm", ".pbm")
MAPS = (*PICTURES, ".pfm", ".exr", ".npy", ".npz")
"""Of files that hold a number per pixel."""


class ImageFolder(dict[str, str]):
    """The image files of one kind: from the name, what stands before the ending, to the ending.

    Hidden files and folders, other folders and other formats are passed over. Links are followed, and one that leads
    to nothing is a file that cannot be read. Names are in Unicode's form NFC, whatever the file system keeps.

    Args:
        places: the folders that they are in, each with what it puts in front of the names of its files:
            ``{"": photos}`` or ``{"train/": photos/train, "val/": photos/val}``.
        nested: the files are one folder further down, which is part of their names: ``cats/x``.
        suffixes: the endings that count, in lower case.

    Attributes:
        ambiguous: names that two files have.
        empty: nested folders without a file.
        outside: names of files that are in none of the nested folders.
    """

    def __init__(
        self, places: Mapping[str, Path], nested: bool = False, suffixes: Sequence[str] = PICTURES
    ) -> None:
        super().__init__()
        self.places = {composed(prefix): place for prefix, place in places.items()}
        self._suffixes = suffixes
        self._kept_as: dict[str, str] = {}  # what the file system has for a name in another form
        self.ambiguous: list[str] = []
        self.empty: list[Path] = []
        self.outside: list[str] = []
        for prefix, place in self.places.items():
            if not nested:
                self._list(place, prefix)
                continue
            self.outside += ImageFolder({prefix: place}, suffixes=suffixes)
            for folder in sorted(path for path in place.iterdir() if path.is_dir()):
                if folder.name.startswith("."):
                    continue
                before = len(self)
                self._list(folder, prefix, f"{folder.name}/")
                if len(self) == before:
                    self.empty.append(folder)

    def _list(self, folder: Path, prefix: str, inner: str = "") -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 (a Path a file is slow for 400,000)
                if suffix.lower() not in self._suffixes or entry.name.startswith(".") or not _is_file(entry):
                    continue
                name = sys.intern(composed(prefix + inner + stem))
                if name in self:
                    self.ambiguous.append(name)
                if name != prefix + inner + stem:
                    self._kept_as[name] = inner + stem
                self[name] = sys.intern(suffix)

    def __str__(self) -> str:
        return ", ".join(map(str, self.places.values()))

    def path(self, name: str) -> Path:
        prefix = next(prefix for prefix in self.places if name.startswith(prefix))
        return self.places[prefix] / (self._kept_as.get(name, name.removeprefix(prefix)) + self[name])


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Also a link to nothing, or to itself: reading it raises the error."""
    try:
        return entry.is_file() or (entry.is_symlink() and not Path(entry).exists())
    except OSError:  # links in a circle
        return True


def composed(name: str) -> str:
    """One form of names that look the same: some systems keep ``é`` as one character, others as ``e`` and an accent."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def list_folders(
    folders: Mapping[str, Mapping[str, Path]],
    problems: Problems,
    nested: bool = False,
    maps: Collection[str] = (),
) -> dict[str, ImageFolder]:
    """The folders by role, given the places of each.

    Args:
        nested: as ``ImageFolder`` has it.
        maps: the roles whose files may hold numbers instead of pictures.

    Raises:
        CnnlibError: folders are missing or empty, or names occur twice.
    """
    listed = {}
    for role, places in folders.items():
        missing = [place for place in places.values() if not place.is_dir()]
        for place in missing:
            problems.add("folders that do not exist", f"{role}: {place.absolute()}")
        if missing:
            continue
        try:
            listed[role] = folder = ImageFolder(places, nested, MAPS if role in maps else PICTURES)
        except OSError as error:
            problems.add("folders that cannot be read", f"{role}: {error}")
            continue
        for name in sorted(folder.ambiguous):
            problems.add("names that two files of one folder have", f"{folder.path(name).with_suffix('')}.*")
        for name in sorted(folder.outside):
            problems.add("images beside the folders of classes, and in none of them", f"{folder}: {name}")
        if not folder:
            problems.add(f"folders without an image file ({listed_suffixes(role in maps)})", str(folder))
    problems.raise_any()
    return listed


def groups_of(names: Sequence[str], group_of: Partner, what: str, problems: Problems) -> list[str]:
    """The group of each sample; those for which it is not known are problems."""
    groups = [group_of(name) for name in names]
    for name, group in zip(names, groups, strict=True):
        if group is None:
            problems.add(f"images whose {what} is not known", name)
    return [group or "" for group in groups]


def read_table(path: Path, needed: Sequence[str], what: str) -> list[dict[str, str]]:
    """The rows of a CSV file with a header line, without spaces around names of columns and values.

    Args:
        needed: columns that it must have; in every row they hold something.
        what: the option that names the file, for messages.
    """
    try:
        with io.StringIO(read_bytes(path).decode("utf-8-sig"), newline="") as file:
            reader = csv.DictReader(file)
            reader.fieldnames = [column.strip() for column in reader.fieldnames or ()]
            columns = [column for column in reader.fieldnames if column]
            if twice := [column for column, count in Counter(columns).items() if count > 1]:
                raise CnnlibError(f"{what} {path} has several columns {twice[0]!r}; keep one of them")
            for column in needed:
                if column not in columns:
                    raise CnnlibError(
                        f"{what} {path} needs a header line with a column {column!r}; its first line has {columns}"
                        f"{did_you_mean(column, columns)}"
                    )
            rows = []
            for row in reader:
                rows.append({column: (row[column] or "").strip() for column in columns})
                if not all(rows[-1][column] for column in needed):
                    raise CnnlibError(
                        f"{what} {path}, line {reader.line_num}: expected {' and '.join(needed)}; got "
                        f"{list(row.values())}"
                    )
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CnnlibError(f"{what} {path} cannot be read as a CSV file ({error})") from error


def without_suffix(name: str) -> str:
    """``img_1`` of ``img_1.jpg``, and of ``img_1``; composed."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a name, not a path)
    return composed(stem if suffix.lower() in MAPS else name)


def listed_suffixes(maps: bool = False) -> str:
    """The endings of image files, in words."""
    return ", ".join(suffix.removeprefix(".") for suffix in (MAPS if maps else PICTURES))
