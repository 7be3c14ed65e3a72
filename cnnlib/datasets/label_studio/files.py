"""Where the exports of Label Studio are, and which folders lack one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cnnlib.datasets.listing import ImageFolder, composed
from cnnlib.datasets.problems import Problems


def find_exports(root: Path, wanted: str | Sequence[str], what: str, problems: Problems) -> list[Path]:
    """The files that ``wanted`` means, sorted: files, folders with JSON files at any depth, patterns like ``*/*.json``.

    Args:
        what: the option that names them, for messages.
    """
    found: set[Path] = set()
    for each in [wanted] if isinstance(wanted, str) else wanted:
        files = {path for path in _matches(root, each) if path.is_file() and not path.name.startswith(".")}
        if not files:
            problems.add(f"{what} without a file (a path, a folder or a pattern, below {root})", each)
        found |= files
    return sorted(found)


def _matches(root: Path, wanted: str) -> Iterable[Path]:
    place = root / wanted
    if place.is_dir():
        return place.rglob("*.json")
    if place.exists():
        return [place]
    try:
        return list(root.glob(wanted))
    except (NotImplementedError, ValueError, OSError):  # an absolute pattern, or none
        return []


def participant(path: Path, root: Path) -> str:
    """The folder just below ``root`` that a file is in, with a ``/`` behind it; empty where it is in none."""
    parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
    return composed(f"{parts[0]}/") if len(parts) > 1 else ""


def folders_without(served: Iterable[str], pictures: ImageFolder) -> list[str]:
    """The folders just below the root that have images and, by its ``participant``, no export that is about them."""
    folders = {f"{name.partition('/')[0]}/" for name in pictures if "/" in name}
    served = set(served)
    return [] if "" in served else sorted(folders - served)
