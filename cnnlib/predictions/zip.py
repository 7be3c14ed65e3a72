"""Predictions as one archive."""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Mapping
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from cnnlib.predictions.base import Persister
from cnnlib.types import Predicted


class ZipPersister(Persister):
    """Writes ``out/predictions.zip``: held open until ``close``, and not there before.

    Samples are appended to a hidden file that ``close`` moves into place. If writing breaks, or ``close`` is never
    reached, the hidden file is removed and what stood under the final name before still does.
    Equal samples in equal order give an equal file, byte for byte.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._partial = self.out / f".predictions.zip.{secrets.token_hex(4)}.partial"
        weakref.finalize(self, self._partial.unlink, missing_ok=True)  # at the latest when the process ends
        self._archive = ZipFile(self._partial, "w")

    def keep(self, files: Mapping[str, bytes]) -> None:
        for path, content in files.items():
            member = ZipInfo(path)  # dated 1980, so that the archive depends on its content alone
            member.external_attr = 0o644 << 16
            member.compress_type = ZIP_STORED if path.endswith(".png") else ZIP_DEFLATED
            self._archive.writestr(member, content)

    def write(self, sample: Predicted) -> None:
        try:
            super().write(sample)
        except BaseException:
            self._discard()
            raise

    def close(self) -> None:
        """Moves the archive into place. Does nothing the second time, and nothing once writing broke."""
        if not self._partial.exists():
            return
        try:
            super().close()
            self._archive.close()
            self._partial.replace(self.out / "predictions.zip")
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        try:
            self._archive.close()
        finally:
            self._partial.unlink(missing_ok=True)
