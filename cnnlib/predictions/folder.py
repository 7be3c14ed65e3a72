"""Predictions as files in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from cnnlib.checks import checked
from cnnlib.files import write_atomically
from cnnlib.predictions.layout import Layout, make_folder
from cnnlib.tasks import Task
from cnnlib.types import Predicted


class FolderPersister:
    """Writes each sample's files below ``out`` (``layout`` says which) at once and the tables at the end.

    Every file is whole or not there.

    Args:
        out: the folder; made if it is not there. Files of the same names are replaced, others left alone.
        tasks: what is predicted.
        inputs: the pictures that an image is made of and their channels.
        count: how many samples are kept, first come; ``None`` keeps all.

    Raises:
        CnnlibError: ``out`` cannot be written; names that cannot be told apart on disk.
    """

    @checked
    def __init__(
        self,
        out: Path,
        tasks: Mapping[str, Task],
        inputs: Mapping[str, int],
        count: Annotated[int, Ge(0)] | None = None,
    ) -> None:
        self._out = out
        self._layout = Layout(tasks, inputs, count)
        make_folder(out)
        self._write({"README.txt": self._layout.readme().encode()})

    def write(self, sample: Predicted) -> None:
        self._write(self._layout.files(sample))

    def close(self) -> None:
        self._write(self._layout.tables())

    def _write(self, files: Mapping[str, bytes]) -> None:
        for path, content in files.items():
            file = self._out / path
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, content)
