"""Files that are whole or not there."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cnnlib.types import CnnlibError

_LONGEST_STEM = 240
"""In bytes. File systems allow 255, and the suffix is added."""
_UNSAFE = re.compile(r'[%/\\:*?"<>|\x00-\x1f\x7f]|^\.|[. ]$')


def user_path(text: str, key: str) -> Path:
    """A path as a configuration has it under ``key``, with ``~`` and ``~name`` expanded.

    Raises:
        CnnlibError: it cannot be a path: there is no such user, it leads back to itself, or holds a NUL byte.
    """
    try:
        path = Path(text).expanduser()
        path.resolve()
    except (RuntimeError, ValueError) as error:
        raise CnnlibError(
            f"{key}: {text!r} cannot be a path ({error}); give one that can be opened"
        ) from None
    return path


def file_stem(name: str) -> str:
    """``name`` as a file's name: what is unsafe becomes %XX, so that ``urllib.parse.unquote`` gives it back.

    Raises:
        CnnlibError: it is empty, too long or no text.
    """
    stem = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", name)
    # Python decodes the bytes of a file's name that are not UTF-8 to these characters.
    if any("\ud800" <= character <= "\udfff" for character in stem):
        raise CnnlibError(f"{ascii(name)[:60]} cannot name a file: it is no text in UTF-8; rename the file")
    if not 0 < len(stem.encode()) <= _LONGEST_STEM:
        raise CnnlibError(
            f"{name[:60]!r}{'...' if len(name) > 60 else ''} cannot name a file: a sample's name must have 1 "
            f"to {_LONGEST_STEM} bytes, and this one has {len(stem.encode())} once made safe"
        )
    return stem


def write_atomically(path: Path, content: str | bytes | memoryview) -> None:
    """Writes beside ``path`` and renames: a kill leaves the old file or the new one, never half of one.

    Raises:
        OSError: it names the file.
    """
    # The name itself may already have the greatest length that the file system allows.
    short = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    partial = path.with_name(f".{short}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            # Without this, a power cut could leave an empty file under the new name.
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        # The error would name the partial file, or no file where the disk is full.
        error.filename = str(path)
        error.filename2 = None
        raise
    finally:
        partial.unlink(missing_ok=True)


def remove_partial_files(folder: Path) -> None:
    """Those that ``write_atomically`` was killed over, anywhere in ``folder``; nobody may be writing there."""
    for partial in folder.rglob(".*.partial"):
        partial.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, busy: str | None = None) -> Iterator[None]:
    """One process at a time is in such a block of a folder, which is made where there is none.

    Args:
        busy: what is said where another process is; ``None`` waits for it.

    Raises:
        CnnlibError: with ``busy``; or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise CnnlibError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError:
            raise CnnlibError(f"{folder}: {busy}") from None
        yield


def file_hash(path: Path) -> str:
    """SHA-256 of the file's bytes; raises ``CnnlibError`` where it cannot be read, or is no file."""
    check_is_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CnnlibError(f"{path}: cannot be read ({error.strerror})") from None


def check_is_file(path: Path) -> None:
    """Raises ``CnnlibError`` where there is something else: a pipe or a device may never end."""
    if path.exists() and not path.is_file():
        raise CnnlibError(f"{path}: must be a regular file; it is a folder, a device, a pipe or a socket")


def read_bytes(path: Path) -> bytes:
    """
    Raises:
        FileNotFoundError: there is nothing.
        CnnlibError: it cannot be read, or is no file.
    """
    check_is_file(path)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        # For example a link to itself.
        raise CnnlibError(f"{path}: cannot be read ({error.strerror})") from None


def read_json(path: Path) -> Any:
    """The value that a JSON file holds.

    Raises:
        FileNotFoundError: there is none.
        CnnlibError: it is damaged.
    """
    try:
        return json.loads(read_bytes(path).decode())
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise CnnlibError(f"{path}: not valid JSON ({reason})") from None


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A header line and one line per row; a value that is missing, ``None`` or NaN is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if _absent(value) else value for key, value in row.items()} for row in rows)
    return text.getvalue()


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """``csv_text`` as a file."""
    write_atomically(path, csv_text(columns, rows))


def json_text(value: Any) -> str:
    """Indented; NaN and infinities, which JSON does not have, become null."""
    return json.dumps(_finite(value), indent=2, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """``json_text`` as a file."""
    write_atomically(path, json_text(value))


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
