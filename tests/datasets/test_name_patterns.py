"""Regular expressions of configs: what they find is what ``re`` finds, and none takes for ever."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.datasets import Folders
from cnnlib.datasets.name_patterns import name_part
from cnnlib.types import CnnlibError
from tests.datasets.pictures import disc, photo, save


@given(
    st.sampled_from(
        [r"(.+)_\d+$", r"(\d+)-", r"(\w+)", r"(?i)img(.)", r"^(.*?)(?=_)", r"(a{2,3})", r"([^_]*)_"]
    ),
    st.text("aAé1٣_-gimGIM \n"),
)
def test_the_group_is_the_one_that_re_finds(pattern: str, name: str) -> None:
    found = re.search(pattern, name)
    assert name_part("group_pattern", pattern)(name) == (found and found[1])


@pytest.mark.parametrize("pattern", [r"(?:a|aa)+$()", r"(a|a)*$", r"((?:a|a?)+)+$"])
def test_a_name_that_takes_for_ever_is_told_with_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.setattr("cnnlib.datasets.name_patterns._SECONDS", 0.05)
    name = "a" * 100 + "b"
    for each in (name, "c", "d", "e"):
        save(photo(1), tmp_path / "photo" / f"{each}.png")
        save(disc(), tmp_path / "mask" / f"{each}.png")
    with pytest.raises(CnnlibError, match=f"(?s)group_pattern .*{name}.* repetition in a repetition"):
        Folders(str(tmp_path), {"image": "photo"}, {"mask": "mask"}, size=16, group_pattern=pattern)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "is not a regular expression"),
        (3, "is not a regular expression"),
        ("((?R))", "is not a regular expression"),
        ("(" * 501, "has 501 characters; at most 500"),
        ("(a{99999999})", "whose product is above 10,000"),
        ("(((a{100}){100}){100})", "whose product is above 10,000"),
        (f"(a{{{'9' * 400}}})", "whose product is above 10,000"),
        ("a", "needs exactly one group"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_pattern_that_cannot_be_used_is_refused(pattern: Any, message: str) -> None:
    with pytest.raises(CnnlibError, match=f"(?s)group_pattern .*{message}"):
        name_part("group_pattern", pattern)
