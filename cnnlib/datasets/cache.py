"""Arrays that are costly to make, kept on disk and read as memory maps.

An entry is a folder with one ``.npy`` file per array and ``manifest.json``, which says what the arrays were made from.
What is damaged, or was made from something else, is made again.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnlib.files import check_is_file, read_json, user_path

MANIFEST = "manifest.json"
STATISTICS, PROBLEMS = LOOSE = ("statistics", "problems")
"""Folders of small files: channel statistics of training splits, and lists of what is wrong with data sets."""
_STALE_SECONDS = 24 * 3600
_ATTEMPTS = 10


@dataclass(frozen=True)
class ArraySpec:
    """Shape and dtype of a stored array; its first axis is the one that batches are stacked along."""

    shape: tuple[int, ...]
    dtype: str


Batches = Callable[[], Iterable[Mapping[str, np.ndarray]]]
"""Makes the arrays from their beginning: each batch holds the next rows of every array."""


def cache_root(cache_dir: str | Path | None = None) -> Path:
    """``cache_dir`` if given; else ``$CNNLIB_CACHE``; else ``cnnlib`` below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if cache_dir is not None:
        return user_path(cache_dir, "cache_dir")
    if own := os.environ.get("CNNLIB_CACHE"):
        return user_path(own, "CNNLIB_CACHE")
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "cnnlib"
    return user_path("~/.cache/cnnlib", "CNNLIB_CACHE is not set, and the default")


@dataclass(frozen=True)
class CacheEntry:
    """What one data set's split takes, or all files of one kind together.

    Attributes:
        size: in bytes.
        read: when it was last read, or made, in seconds since 1970.
    """

    folder: Path
    size: int
    read: float


def cache_entries(root: Path) -> list[CacheEntry]:
    """All entries below ``root``, the largest first; what is no entry of ours is passed over."""
    folders = [manifest.parent for manifest in sorted(root.rglob(MANIFEST))] if root.is_dir() else []
    found = []
    for folder in [*folders, *(root / kind for kind in LOOSE)]:
        files = [path.stat() for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
        if files:
            read = max(max(each.st_atime, each.st_mtime) for each in files)
            found.append(CacheEntry(folder, sum(each.st_size for each in files), read))
    return sorted(found, key=lambda entry: -entry.size)


def remove_entry(entry: CacheEntry) -> None:
    """Takes it away at once, so that nobody reads half of it, and then deletes it."""
    gone = entry.folder.with_name(f".{entry.folder.name}-removed-{os.getpid()}")
    entry.folder.rename(gone)
    shutil.rmtree(gone)


def cached_arrays(
    folder: Path,
    made_from: Mapping[str, Any],
    specs: Mapping[str, ArraySpec],
    batches: Batches,
    verify: bool = False,
) -> dict[str, np.ndarray]:
    """The arrays of the entry ``folder``, made now if it is missing, damaged or was made from something else.

    Processes that fill one entry at once do not disturb each other: each writes a folder of its own, and one is
    renamed into place. Where the disk refuses, the arrays are made in memory, with a warning.

    Args:
        folder: used by nothing else.
        made_from: everything that the contents depend on, as JSON knows it, with a version of the code that makes them.
        verify: read all of it, and compare its checksums: for arrays that are small, or that no other checksum is of.

    Returns:
        Read-only arrays by name: memory maps.

    Raises:
        ValueError: the batches do not hold as many rows as the specs say.
    """
    if (found := _read(folder, made_from, specs, verify)) is not None:
        return found
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            draft = Path(scratch, "new")
            draft.mkdir()
            _write(draft, made_from, specs, _complete(specs, batches()))
            if (stored := _read(draft, made_from, specs)) is None:
                raise OSError(f"{draft}: cannot be read back")
            _put_into_place(draft, folder, made_from, specs, verify)
            return stored
    except OSError as error:
        warnings.warn(
            f"the cache folder {folder} cannot be used ({error.strerror or error}); the data is made in memory and "
            "will be made again next time. Set CNNLIB_CACHE or cache_dir to a folder that can be written to.",
            stacklevel=2,
        )
    return _arrays_in_memory(specs, _complete(specs, batches()))


def _read(
    folder: Path, made_from: Mapping[str, Any], specs: Mapping[str, ArraySpec], verify: bool = False
) -> dict[str, np.ndarray] | None:
    """The arrays of an entry if it is complete and was made from ``made_from``; else None."""
    try:
        manifest = read_json(folder / MANIFEST)
        if manifest["made_from"] != json.loads(json.dumps(made_from)):
            return None
        arrays = {}
        for name, spec in specs.items():
            path = folder / f"{name}.npy"
            check_is_file(path)
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            found = (path.stat().st_size, array.shape, array.dtype)
            expected = (array.offset + array.nbytes, spec.shape, np.dtype(spec.dtype))
            if found != expected or not array.flags.c_contiguous:
                return None
            if verify and zlib.crc32(array) != manifest["checksums"][name]:
                return None
            arrays[name] = array
        return arrays
    except (
        Exception
    ):  # it is missing, or its header or manifest is damaged, which breaks the readers in any way
        return None


def _write(
    folder: Path,
    made_from: Mapping[str, Any],
    specs: Mapping[str, ArraySpec],
    batches: Iterable[Mapping[str, np.ndarray]],
) -> None:
    """Plain writes, not through a map: a full disk is then an error and not a crash."""
    checksums = dict.fromkeys(specs, 0)
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / f"{name}.npy").open("wb")) for name in specs}
        for name, spec in specs.items():
            header = {"descr": np.dtype(spec.dtype).str, "fortran_order": False, "shape": spec.shape}
            np.lib.format.write_array_header_1_0(files[name], header)
        for batch in batches:
            for name, spec in specs.items():
                rows = np.ascontiguousarray(batch[name], spec.dtype)
                files[name].write(rows.data)
                checksums[name] = zlib.crc32(rows, checksums[name])
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())
    manifest = {"made_from": dict(made_from), "checksums": checksums}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _complete(
    specs: Mapping[str, ArraySpec], batches: Iterable[Mapping[str, np.ndarray]]
) -> Iterator[Mapping[str, np.ndarray]]:
    """The batches; ``ValueError`` at their end unless they held every row of every array."""
    rows = dict.fromkeys(specs, 0)
    for batch in batches:
        for name in specs:
            rows[name] += len(batch[name])
        yield batch
    for name, spec in specs.items():
        if rows[name] != spec.shape[0]:
            raise ValueError(f"{name} must have {spec.shape[0]} rows; the batches held {rows[name]}")


def _put_into_place(
    draft: Path, folder: Path, made_from: Mapping[str, Any], specs: Mapping[str, ArraySpec], verify: bool
) -> None:
    """Renames ``draft`` to ``folder``; what stands there stays if it is good, and goes if it is not.

    Other processes may do the same at the same time: what fails because of them is tried again.
    """
    for attempt in range(_ATTEMPTS):
        try:
            draft.rename(folder)
            return
        except OSError as error:
            refused = error
        if _read(folder, made_from, specs, verify) is not None:
            return  # another process was quicker
        with suppress(FileNotFoundError):  # another process has taken it away
            folder.rename(draft.with_name(f"old-{attempt}"))
    raise refused


def _remove_stale(folder: Path) -> None:
    """Removes what processes that were killed left of this entry."""
    for draft in folder.parent.glob(f".{folder.name}-*"):
        if time.time() - draft.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(draft, ignore_errors=True)


def _arrays_in_memory(
    specs: Mapping[str, ArraySpec], batches: Iterable[Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The arrays that the batches hold, read-only."""
    arrays = {name: np.empty(spec.shape, spec.dtype) for name, spec in specs.items()}
    start = 0
    for batch in batches:
        stop = start + len(next(iter(batch.values())))
        for name, array in arrays.items():
            array[start:stop] = batch[name]
        start = stop
    for array in arrays.values():
        array.flags.writeable = False
    return arrays
