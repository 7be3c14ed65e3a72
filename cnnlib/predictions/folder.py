"""Predictions as files in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from cnnlib.files import write_atomically
from cnnlib.predictions.layout import Layout, make_folder
from cnnlib.tasks import Task
from cnnlib.types import Predicted


class FolderPersister:
    """Writes each sample's files below ``out`` (``layout`` says which), every one whole or not at all.

    Args:
        out: the folder; made if it is not there. Files of the same names are replaced, others left alone.
        tasks: what is predicted.
        image_names: what each group of three channels of an image shows.
        count: how many samples are kept, first come; ``None`` keeps all.

    Raises:
        CnnlibError: ``out`` cannot be written; names that cannot be told apart on disk.
    """

    def __init__(
        self,
        out: Path,
        tasks: Mapping[str, Task],
        image_names: Sequence[str],
        count: Annotated[int, Field(ge=0)] | None = None,
    ) -> None:
        self._out = out
        self._layout = Layout(tasks, image_names, count)
        make_folder(out)
        write_atomically(out / "README.txt", self._layout.readme())

    def write(self, sample: Predicted) -> None:
        for path, content in self._layout.files(sample).items():
            file = self._out / path
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, content)

    def close(self) -> None:
        """Nothing is held open."""
