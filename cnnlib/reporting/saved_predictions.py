"""The predictions that a run saved, from a folder or from its one zip file."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from urllib.parse import unquote
from zipfile import ZipFile

import numpy as np

from cnnlib.pictures import open_picture
from cnnlib.reporting.run_files import parse_csv


class SavedPredictions:
    """``len`` is how many pictures and tables there are: 0 where nothing was kept.

    Attributes:
        errors: what could not be read so far, and why; it counts as not kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.errors: list[str] = []
        self._contents = self._find()
        self._pictures, self._tables = (
            {
                tuple(unquote(part) for part in path.removesuffix(ending).split("/")): path
                for path in self._contents
                if path.endswith(ending)
            }
            for ending in (".png", ".csv")
        )
        self._rows = cache(self._read_rows)

    def _find(self) -> dict[str, Callable[[], bytes]]:
        """By path, in the archive where there is one."""
        archive, inside = self._folder / "predictions.zip", self._folder.resolve()
        if not archive.exists():
            return {
                path.relative_to(self._folder).as_posix(): path.read_bytes
                for path in self._folder.rglob("*.*")
                if path.is_file() and path.resolve().is_relative_to(inside)
            }
        try:
            opened = ZipFile(archive)
            return {path: partial(opened.read, path) for path in opened.namelist()}
        except Exception as error:  # a damaged archive can break its reader in any way
            self._note("predictions.zip", error)
            return {}

    def __len__(self) -> int:
        return len(self._pictures) + len(self._tables)

    def has(self, *parts: str) -> bool:
        """Whether ``read`` finds something."""
        return parts in self._pictures or parts[-1] in self._rows(parts[:-1])

    def names(self, *parts: str) -> list[str]:
        """The samples that ``parts`` (``"mask"``, or ``"truth", "mask"``) has, sorted."""
        return sorted([found[-1] for found in self._pictures if found[:-1] == parts] + [*self._rows(parts)])

    def read(self, *parts: str) -> np.ndarray | dict[str, str] | None:
        """The picture at ``parts`` (``"truth", "mask", name``), else the row of that table, else ``None``."""
        path = self._pictures.get(parts)
        if path is None:
            return self._rows(parts[:-1]).get(parts[-1])
        try:
            return np.array(open_picture(io.BytesIO(self._contents[path]())))
        except Exception as error:  # as above
            self._note(path, error)
            return None

    def _read_rows(self, parts: tuple[str, ...]) -> dict[str, dict[str, str]]:
        """By sample; none where there is no such table."""
        path = self._tables.get(parts)
        if path is None:
            return {}
        try:
            rows = parse_csv(self._contents[path]().decode(), path)
            return {row["name"]: {key: row[key] for key in row if key != "name"} for row in rows}
        except Exception as error:  # as above
            self._note(path, error)
            return {}

    def _note(self, path: str, error: Exception) -> None:
        fault = f"{self._folder / path}: cannot be read ({error or type(error).__name__}); run the experiment again"
        if fault not in self.errors:
            self.errors.append(fault)
