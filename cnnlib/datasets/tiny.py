"""A tiny subset of a data set in folders, as a data set in folders of its own."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from cnnlib.datasets.fg_bg import FgBg
from cnnlib.datasets.file_source import FileDataSource
from cnnlib.datasets.folders import Folders
from cnnlib.datasets.listing import without_suffix
from cnnlib.datasets.splits import stratified_subset
from cnnlib.files import user_path, write_atomically
from cnnlib.types import CnnlibError, DataSource

Link: TypeAlias = Literal["copy", "hard", "symbolic"]
_PLAN, _DATA = "plan.json", "data"
_NAME_COLUMNS = ("name", "image")  # of tables, in which a sample is named


def write_tiny(
    source: DataSource, options: Mapping[str, Any], size: int | float, seed: int, out: Path, link: Link
) -> Counter[str]:
    """Writes some of the samples, in the same layout, into the new folder ``out``; goes on where it was stopped.

    Every split and every class (where samples have one) keeps its share. Groups need not be kept whole: the same
    configuration divides the subset by the same groups, so that none is on two sides. Tables and lists of names keep
    the lines of the samples that are drawn.

    Args:
        source: ``Folders`` or ``FgBg``, made with ``options``.
        size: how many samples, or, below 1, which share of them.
        link: whether files are copied, or links to those of the data set.

    Returns:
        How many samples of each split there are.

    Raises:
        CnnlibError: the data set keeps its targets in another way, ``out`` is there already, or a file cannot be
            written.
    """
    root = user_path(options.get("root", ""), "root").absolute()
    if not isinstance(source, (Folders, FgBg)):
        raise CnnlibError(
            "a tiny subset can be drawn of the data sets folders and fg_bg; set dataset to one of them"
        )
    if os.path.lexists(out):
        raise CnnlibError(f"{out}: it is there already; remove it, or give another --out")
    samples = _drawn(source, size, seed)
    names = {name for _, name, _ in samples}
    files = sorted({_below(root, path) for _, _, paths in samples for path in paths})
    tables = [str(_below(root, root / table)) for table in _tables(options) if (root / table).is_file()]
    draft = out.with_name(f".{out.name}.partial")
    plan = {"root": str(root), "link": link, "files": list(map(str, files)), "tables": tables}
    try:
        _begin(draft, json.dumps(plan, indent=1))
        for file in files:
            _place(root / file, draft / _DATA / file, link)
        for table in tables:
            (draft / _DATA / table).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(draft / _DATA / table, _lines_of(root / table, names))
        (draft / _DATA).rename(out)
        shutil.rmtree(draft)
    except OSError as error:
        advice = (
            "; hard links cannot reach another disk: take --link symbolic or copy" if link == "hard" else ""
        )
        raise CnnlibError(f"{out}: cannot be written ({error.strerror or error}){advice}") from None
    return Counter(part for part, _, _ in samples)


def _drawn(source: FileDataSource, size: int | float, seed: int) -> list[tuple[str, str, list[Path]]]:
    """The split, the name and the files of each sample."""
    listed = list(source.listed())
    count = size if isinstance(size, int) else max(1, round(size * len(listed)))
    strata = [f"{part}/{label or ''}" for part, _, label, _ in listed]
    chosen = (listed[index] for index in stratified_subset(strata, count, seed).tolist())
    return [(part, name, files) for part, name, _, files in chosen]


def _below(root: Path, path: Path) -> Path:
    """``path`` seen from ``root``; what lies elsewhere has no place in the subset's folder."""
    try:
        return Path(os.path.normpath(path.absolute())).relative_to(os.path.normpath(root))
    except ValueError:
        raise CnnlibError(
            f"{path} is not below the data set's root {root}, so that the subset cannot have its layout; move it there"
        ) from None


def _tables(options: Mapping[str, Any]) -> Iterator[str]:
    """The files that name samples: tables of targets, lists of splits, which background is whose."""
    for given in options.get("targets", {}).values():
        if isinstance(given, Mapping) and "file" in given:
            yield given["file"]
    yield from (options.get("splits") or {}).values()
    if options.get("background_file"):
        yield options["background_file"]


def _begin(draft: Path, plan: str) -> None:
    """Makes the folder in which the subset is put together; one with the same plan goes on."""
    path = draft / _PLAN
    if draft.exists() and not (path.is_file() and path.read_text(encoding="utf-8") == plan):
        raise CnnlibError(f"{draft}: holds the beginning of another subset; remove it, or give another --out")
    (draft / _DATA).mkdir(parents=True, exist_ok=True)
    write_atomically(path, plan)


def _place(source: Path, target: Path, link: Link) -> None:
    """Whole or not at all; what is there already stays."""
    if os.path.lexists(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beginning = target.with_name(f".{target.name}.partial")
    beginning.unlink(missing_ok=True)
    ways: dict[Link, Callable[[Path, Path], Any]] = {
        "copy": shutil.copyfile,
        "hard": lambda one, other: other.hardlink_to(one.resolve()),
        "symbolic": lambda one, other: other.symlink_to(one.resolve()),
    }
    ways[link](source, beginning)
    beginning.replace(target)


def _lines_of(path: Path, names: Collection[str]) -> str:
    """What a table, or a list of names, says of the samples called ``names``."""
    text = path.read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    head = [cell.strip() for cell in rows[0]] if rows else []
    column = next((head.index(each) for each in _NAME_COLUMNS if each in head), None)
    kept = io.StringIO()
    writer = csv.writer(kept, lineterminator="\n")
    if column is None:
        return "".join(f"{line}\n" for line in text.splitlines() if without_suffix(line.strip()) in names)
    writer.writerow(rows[0])
    writer.writerows(row for row in rows[1:] if row and without_suffix(row[column].strip()) in names)
    return kept.getvalue()
