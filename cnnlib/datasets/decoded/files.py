"""What files a data set was made from, by its options."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def fingerprint(options: Mapping[str, Any]) -> str | None:
    """A digest of every file below the folders, and of the files, that the options name: its path, size and time of
    change. ``None`` where they name none.
    """
    places = sorted({path.absolute() for path in _places(options)})
    if not places:
        return None
    digest = hashlib.sha256()
    for place in places:
        for path, status in _files(place):
            digest.update(
                f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape")
            )
    return digest.hexdigest()


def _places(value: Any) -> Iterator[Path]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _places(each)
    elif isinstance(value, str) and value:
        try:
            path = Path(value).expanduser()
            if path.exists():
                yield path
        except (OSError, ValueError, RuntimeError):  # too long for a path, a null byte, no such user: no path
            return


def _files(place: Path) -> Iterator[tuple[str, os.stat_result]]:
    if place.is_file():
        yield str(place), place.stat()
        return
    for folder, folders, names in os.walk(place):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 (a Path a file is slow for 400,000)
            try:
                yield path, os.stat(path)  # noqa: PTH116
            except OSError:  # a link to nowhere
                continue
