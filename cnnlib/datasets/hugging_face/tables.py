"""Tables of the Hugging Face ``datasets`` library, which stay on disk, as Arrow files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from cnnlib.checks import did_you_mean
from cnnlib.files import check_is_file, read_bytes, user_path
from cnnlib.types import CnnlibError

Table: TypeAlias = Any
"""A ``datasets.Dataset``. The library is optional, and imported where it is first needed."""

_ON_THE_HUB = re.compile(r"\w[\w.-]*(/[\w.-]+)?")


def library() -> Any:
    """The module ``datasets``; raises ``CnnlibError`` where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries that it imports
            import datasets
    except ImportError:
        raise CnnlibError(
            "tables of Hugging Face need datasets, which is not installed: pip install 'cnnlib[huggingface]'"
        ) from None
    return datasets


def open_tables(path: str, streaming: bool = False) -> dict[str, Table]:
    """The tables by split, of which ``read_table`` gives the rows; a table without splits is called ``all``.

    Args:
        path: what ``save_to_disk`` wrote; a parquet or Arrow file; a folder of files that ``load_dataset`` knows; or,
            where no such path exists, a name on the hub.
        streaming: nothing is downloaded before it is read.

    Raises:
        CnnlibError: it cannot be opened.
    """
    datasets, place = library(), user_path(path, "path")
    for each in place.rglob("*") if place.is_dir() else [place]:
        if not each.is_dir():
            check_is_file(each)
    with _can_be_opened(path):
        if (place / "dataset_dict.json").exists() or (place / "state.json").exists():
            found = datasets.load_from_disk(str(place))
        elif place.suffix == ".arrow" and place.is_file():
            found = datasets.Dataset.from_file(str(place))
        elif place.suffix == ".parquet" and place.is_file():
            found = datasets.Dataset.from_parquet(str(place))
        elif not place.exists() and not _ON_THE_HUB.fullmatch(path):
            raise FileNotFoundError(f"{place.absolute()} does not exist")
        else:
            found = datasets.load_dataset(str(place) if place.exists() else path, streaming=streaming)
        return dict(found) if isinstance(found, Mapping) else {"all": found}


def read_table(table: Any, count: int | None, path: str) -> Table:
    """The rows of a table or a stream that ``open_tables`` gave for ``path``; pictures are not decoded.

    Args:
        count: only the first so many rows. Those of a stream are held in memory, and no others are downloaded.

    Raises:
        CnnlibError: they cannot be read.
    """
    datasets = library()
    with _can_be_opened(path):
        if isinstance(table, datasets.Dataset):
            table.data.validate(full=True)  # Arrow follows wrong offsets out of the memory
            return table if count is None else table.select(range(min(count, len(table))))
        # ``take`` would read a row more.
        return datasets.Dataset.from_list(list(islice(table.decode(False), count)), features=table.features)


@contextmanager
def _can_be_opened(path: str) -> Iterator[None]:
    """Any error becomes a ``CnnlibError`` that names ``path``."""
    try:
        yield
    except Exception as error:  # of its own, of Arrow, of the network
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CnnlibError(
            f"path {path!r} cannot be opened as a Hugging Face data set ({reason}); expected a folder that "
            "save_to_disk wrote, a parquet or Arrow file, or a name on the hub"
        ) from None


def check_column(tables: Iterable[Table], column: str, option: str) -> None:
    """Raises ``CnnlibError`` unless every table has the column; it names ``option``."""
    for table in tables:
        if column not in table.column_names:
            raise CnnlibError(
                f"{option}: there is no column {column!r}{did_you_mean(column, table.column_names)}; there are "
                f"{', '.join(table.column_names)}"
            )


def has_value(table: Table, column: str) -> np.ndarray:
    """Which rows have a value in a column, bool (N,); pictures are not decoded."""
    parts = [np.asarray(each.is_valid()) for each in _arrow(table, column)]
    return np.concatenate(parts) if parts else np.zeros(0, bool)


def values(table: Table, column: str) -> list[Any]:
    """A column of texts or numbers."""
    return [value for each in _arrow(table, column) for value in each.to_pylist()]


def undecoded(table: Table, columns: Iterable[str]) -> tuple[Table, dict[str, Any]]:
    """Rows that are given as the table stores them, and, by column, which of them hold pictures: ``datasets`` itself
    would open those in all of Pillow's formats, some of which run programs.
    """
    chosen = table.select_columns(list(dict.fromkeys(columns)))
    features = {
        name: feature for name, feature in chosen.features.items() if isinstance(feature, library().Image)
    }
    return chosen.with_format("arrow"), features


def file_content(cell: Mapping[str, Any]) -> bytes:
    """Of the picture in a cell, which holds it or gives its place; raises whatever opening that does."""
    content, path = cell["bytes"], cell["path"]
    if content is None and library().utils.file_utils.is_local_path(path):
        content = read_bytes(Path(path))
    elif content is None:  # the rows of a stream
        with library().utils.file_utils.xopen(path, "rb") as file:
            content = file.read()
    return content


def _arrow(table: Table, column: str) -> Iterator[Any]:
    for batch in table.select_columns([column]).with_format("arrow").iter(1000):
        yield batch.column(column)
