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
def test_hostile_files_do_no_harm(tmp_path: Path, key: str) -> None:
    """A few are accepted: an empty text is a picture without an object."""
    FORMATS[key].write(tmp_path)
    outcomes = []
    for content in FORMATS[key].hostile:
        (tmp_path / FORMATS[key].file).write_bytes(content)
        with limited(30):
            outcomes.append(attempt(partial(FORMATS[key].use, tmp_path)))
    assert set(outcomes) <= {"accepted", "refused"}, outcomes
    assert outcomes.count("refused") > len(outcomes) / 2
