"""The predictions that a run saved, from a folder or from its one zip file."""

from __future__ import annotations

import io
from functools import cache, partial
from pathlib import Path
from urllib.parse import unquote
from zipfile import BadZipFile, ZipFile

import numpy as np
from PIL import Image

from cnnlib.reporting.run_files import parse_csv
from cnnlib.types import CnnlibError


class SavedPredictions:
    """``len`` is how many pictures and tables there are: 0 where nothing was kept.

    Raises:
        CnnlibError: the zip file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        archive = folder / "predictions.zip"
        try:
            if archive.exists():
                opened = ZipFile(archive)
                self._contents = {path: partial(opened.read, path) for path in opened.namelist()}
            else:
                self._contents = {
                    path.relative_to(folder).as_posix(): path.read_bytes for path in folder.rglob("*.*")
                }
        except BadZipFile as error:
            raise CnnlibError(f"{archive}: damaged ({error}); run the experiment again") from None
        self._pictures, self._tables = (
            {
                tuple(unquote(part) for part in path.removesuffix(ending).split("/")): path
                for path in self._contents
                if path.endswith(ending)
            }
            for ending in (".png", ".csv")
        )
        self._rows = cache(self._read_rows)

    def __len__(self) -> int:
        return len(self._pictures) + len(self._tables)

    def has(self, *parts: str) -> bool:
        """Whether ``read`` finds something."""
        return parts in self._pictures or parts[-1] in self._rows(parts[:-1])

    def names(self, *parts: str) -> list[str]:
        """The samples that ``parts`` (``"mask"``, or ``"truth", "mask"``) has, sorted."""
        return sorted([found[-1] for found in self._pictures if found[:-1] == parts] + [*self._rows(parts)])

    def read(self, *parts: str) -> np.ndarray | dict[str, str] | None:
        """The picture at ``parts`` (``"truth", "mask", name``), else the row of that table, else ``None``.

        Raises:
            CnnlibError: the file is damaged.
        """
        path = self._pictures.get(parts)
        if path is None:
            return self._rows(parts[:-1]).get(parts[-1])
        try:
            return np.array(Image.open(io.BytesIO(self._contents[path]())))
        except (OSError, BadZipFile, SyntaxError) as error:
            raise self._damaged(path, error) from None

    def _read_rows(self, parts: tuple[str, ...]) -> dict[str, dict[str, str]]:
        """By sample; none where there is no such table."""
        path = self._tables.get(parts)
        if path is None:
            return {}
        try:
            rows = parse_csv(self._contents[path]().decode(), path)
            return {row["name"]: {key: row[key] for key in row if key != "name"} for row in rows}
        except (OSError, BadZipFile, CnnlibError, UnicodeDecodeError, KeyError) as error:
            raise self._damaged(path, error) from None

    def _damaged(self, path: str, error: Exception) -> CnnlibError:
        return CnnlibError(f"{self._folder}: {path} cannot be read ({error}); run the experiment again")
