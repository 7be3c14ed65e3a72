"""What a data set was made from, by its options."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnlib.datasets.file_states import files_digest


def test_the_cache_below_the_data_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what is written into it would look like other data."""
    (tmp_path / "a.txt").write_text("a")
    monkeypatch.setenv("CNNLIB_CACHE", str(tmp_path / "cache"))
    before = files_digest({"root": str(tmp_path)})
    for folder in ("cache", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "made.npy").write_text("x")
        options = {"root": str(tmp_path), "cache_dir": str(tmp_path / folder)}
        assert (files_digest(options) == before) == (folder == "cache")
    assert files_digest({"root": str(tmp_path)}) != before
