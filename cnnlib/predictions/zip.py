"""Predictions as one archive."""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from annotated_types import Ge

from cnnlib.checks import checked
from cnnlib.predictions.layout import Layout, make_folder
from cnnlib.tasks import Task
from cnnlib.types import Predicted


class ZipPersister:
    """Writes ``out/predictions.zip``: held open from the first sample to ``close``, and not there until then.

    Samples are appended to a hidden file that ``close`` moves into place. If writing breaks, or ``close`` is never
    reached, the hidden file is removed and what stood under the final name before still does.
    Equal samples in equal order give an equal file, byte for byte.

    Args:
        out: the folder of the archive; made if it is not there.
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
        self._path = out / "predictions.zip"
        self._partial = out / f".predictions.zip.{secrets.token_hex(4)}.partial"
        self._layout = Layout(tasks, inputs, count)
        make_folder(out)
        self._archive = ZipFile(self._partial, "w")
        weakref.finalize(self, self._partial.unlink, missing_ok=True)  # at the latest when the process ends
        self._add({"README.txt": self._layout.readme().encode()})

    def write(self, sample: Predicted) -> None:
        try:
            self._add(self._layout.files(sample))
        except BaseException:
            self._discard()
            raise

    def close(self) -> None:
        """Moves the archive into place. Does nothing the second time, and nothing once writing broke."""
        if not self._partial.exists():
            return
        try:
            self._add(self._layout.tables())
            self._archive.close()
            self._partial.replace(self._path)
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        try:
            self._archive.close()
        finally:
            self._partial.unlink(missing_ok=True)

    def _add(self, files: Mapping[str, bytes]) -> None:
        for path, content in files.items():
            member = ZipInfo(path)  # dated 1980, so that the archive depends on its content alone
            member.external_attr = 0o644 << 16
            member.compress_type = ZIP_STORED if path.endswith(".png") else ZIP_DEFLATED
            self._archive.writestr(member, content)
