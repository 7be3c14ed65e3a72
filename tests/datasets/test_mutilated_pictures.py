"""Mutilated image files are errors for people, are skipped, or give what other libraries decode."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.pictures import SOURCES, attempt, fuzz, fuzz_data_set


@pytest.mark.parametrize("name", SOURCES)
def test_whole_files_are_read(tmp_path: Path, name: str) -> None:
    """Else the others would be refused for a fault of the test."""
    (tmp_path / name).write_bytes(SOURCES[name])
    assert attempt(tmp_path / name).startswith("read")


def test_mutilated_pictures(tmp_path: Path) -> None:
    outcomes = fuzz(tmp_path, count=200, seed=0)
    assert outcomes["refused"] > 50
    assert outcomes.total() - outcomes["refused"] > 20


def test_a_data_set_of_mutilated_pictures(tmp_path: Path) -> None:
    skipped, used = fuzz_data_set(tmp_path, count=60, seed=1)
    assert skipped > 20
    assert used > 5
