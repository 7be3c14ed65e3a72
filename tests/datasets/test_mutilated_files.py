"""Whole annotation files, and such as are none: damaged ones are tried by ``python -m tests.fuzz annotations``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.fuzz.annotations import formats
from tests.fuzz.harness import attempt
from tests.time_limit import limited

FORMATS = formats()


@pytest.mark.parametrize("key", FORMATS)
def test_valid_files_are_accepted(tmp_path: Path, key: str) -> None:
    """Else the others would be refused for a fault of the test."""
    FORMATS[key].write(tmp_path)
    assert FORMATS[key].use(tmp_path) == "accepted"


@pytest.mark.parametrize("key", FORMATS)
def test_hostile_files_are_refused(tmp_path: Path, key: str) -> None:
    FORMATS[key].write(tmp_path)
    for content in FORMATS[key].hostile:
        (tmp_path / FORMATS[key].file).write_bytes(content)
        with limited(30):
            assert attempt(partial(FORMATS[key].use, tmp_path)) == "refused", content[:60]
