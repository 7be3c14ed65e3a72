"""Digests that change with the files of a data set: those that its options name, and those of its samples."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cnnlib.datasets.cache import cache_root
from cnnlib.datasets.splits import sample_info
from cnnlib.files import user_path
from cnnlib.types import CnnlibError, SampleSource


def files_digest(options: Mapping[str, Any], without: Path | None = None) -> str | None:
    """A digest of every file below the folders, and of the files, that the options name: its path and ``file_state``.
    ``None`` where they name none.

    Names count from the working directory and, where there is one, from the option ``root``. Links are followed. The
    cache, which may lie below the data, does not count.

    Args:
        without: a further folder that does not count, such as one that is being filled.
    """
    root = options.get("root")
    roots = [Path(), *([user_path(root, "root")] if isinstance(root, str) else [])]
    given = {key: value for key, value in options.items() if key != "cache_dir"}
    places = sorted({path.absolute() for name in _texts(given) for path in _places(name, roots)})
    if not places:
        return None
    seen = {
        os.path.realpath(each) for each in (cache_root(options.get("cache_dir")), without) if each is not None
    }
    return _digest(each for place in places for each in _files(place, seen))


def samples_digest(splits: Iterable[SampleSource]) -> str | None:
    """A digest of path and ``file_state`` of each file that samples are read from, in order; ``None`` where samples
    have no files.

    Raises:
        CnnlibError: a file is not there.
    """
    states = [each for samples in splits for each in _sample_files(samples)]
    return _digest(states) if states else None


def file_state(status: os.stat_result) -> tuple[int, ...]:
    """What differs once a file has changed: its size, and the times of the last change of its content and of its
    entry. The latter shows that a file was written anew and given its old time, as ``cp -p`` and ``rsync`` do; a new
    hard link or other permissions change it too.
    """
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _digest(states: Iterable[tuple[str, tuple[int, ...]]]) -> str:
    digest = hashlib.sha256()
    for path, state in states:
        digest.update(f"{path}\0{state}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _sample_files(samples: SampleSource) -> Iterator[tuple[str, tuple[int, ...]]]:
    for index in range(len(samples)):
        for path in sample_info(samples, "files", index) or ():
            try:
                yield str(path.absolute()), file_state(path.stat())
            except OSError as error:
                raise CnnlibError(f"{path}: cannot be read ({error.strerror})") from None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str) and value:
        yield value


def _places(name: str, roots: list[Path]) -> Iterator[Path]:
    for root in roots:
        try:
            path = root / Path(name).expanduser()
            if path.exists():
                yield path
        except (OSError, ValueError, RuntimeError):  # too long for a path, a NUL byte, no such user: no path
            continue


def _files(place: Path, seen: set[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """
    Args:
        seen: folders that were visited, in which links lead nowhere new.
    """
    if place.is_file():
        yield str(place), file_state(place.stat())
        return
    for folder, folders, names in os.walk(place, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 (a Path a file is slow for 400,000)
            try:
                yield path, file_state(os.stat(path))  # noqa: PTH116
            except OSError:  # a link to nowhere
                continue
