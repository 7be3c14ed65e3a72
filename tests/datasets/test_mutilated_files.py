"""Mutilated annotation files are errors for people, or give samples that can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.annotations import attempt, formats, fuzz, prepare

FORMATS = formats()


@pytest.mark.parametrize("key", FORMATS)
def test_valid_files_are_accepted(tmp_path: Path, key: str) -> None:
    """Else the others would be refused for a fault of the test."""
    prepare(FORMATS[key], tmp_path)
    assert attempt(FORMATS[key], tmp_path, FORMATS[key].texts[FORMATS[key].file]) == "accepted"


@pytest.mark.parametrize("key", FORMATS)
def test_mutilated_files(tmp_path: Path, key: str) -> None:
    outcomes = fuzz(FORMATS[key], tmp_path, count=30, seed=0)
    assert outcomes["refused"] > 0


@pytest.mark.parametrize("key", FORMATS)
def test_hostile_files(tmp_path: Path, key: str) -> None:
    prepare(FORMATS[key], tmp_path)
    for content in FORMATS[key].hostile:
        attempt(FORMATS[key], tmp_path, content)
