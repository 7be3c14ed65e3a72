"""Predictions as files in a folder."""

from __future__ import annotations

from collections.abc import Mapping

from cnnlib.files import write_atomically
from cnnlib.predictions.base import Persister


class FolderPersister(Persister):
    """Writes every file at once, whole or not at all."""

    def keep(self, files: Mapping[str, bytes]) -> None:
        for path, content in files.items():
            file = self.out / path
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, content)
