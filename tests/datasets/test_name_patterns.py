"""Regular expressions of configs: what they find is what ``re`` finds, and none takes for ever."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cnnlib.datasets import Folders
from cnnlib.datasets.name_patterns import name_part
from cnnlib.types import CnnlibError
from tests.datasets.pictures import disc, photo, save

# fmt: off
PIECES = [
    *"ab1-_[]^$|?*+.(){},:e# ", "(?i)", "(?x)", "(?:", "(?=", "(?<!", "[^", "[[", "--", "++", r"\d", r"\b", r"\1",
    r"\{", r"\[", r"\\", r"\N{DIGIT ONE}", "{2}", "{1,}", "{,2}", "{ 2 }", "{e}", "{e<=1}", "[[:alpha:]]",
    "[a[:^digit:]]",
]
# fmt: on


@given(
    st.sampled_from(
        [r"(.+)_\d+$", r"(\d+)-", r"(\w+)", r"(?i)img(.)", r"^(.*?)(?=_)", r"(a{2,3})", r"([^_]*)_"]
    ),
    st.text("aAé1٣_-gimGIM \n"),
)
def test_the_group_is_the_one_that_re_finds(pattern: str, name: str) -> None:
    found = re.search(pattern, name)
    assert name_part("group_pattern", pattern)(name) == (found and found[1])


@pytest.mark.filterwarnings("ignore::FutureWarning")
@settings(max_examples=1000)
@example("x{e}", "a").via("fuzzy matching")
@example("abc{e<=1}", "ab").via("fuzzy matching")
@example("[[:digit:]]+", "12").via("POSIX classes")
@example("[a[:^digit:]]", "b").via("POSIX classes")
@example("(?x:a{ 2 })", "aa").via("counts with spaces")
@example(r"\\{e}", "a").via("fuzzy matching after an escape that is not the brace's")
@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.text("aAb12-_:{e} ", min_size=1))
def test_a_pattern_that_is_accepted_means_what_it_means_to_re(pattern: str, name: str) -> None:
    try:
        found_in = name_part("group_pattern", f"({pattern})")
    except CnnlibError:
        return
    found = re.search(f"({pattern})", name)
    assert found_in(name) == (found and found[1])


@pytest.mark.parametrize(
    "pattern", ["x{e}", "abc{e<=1}", "[[:digit:]]+", "[a[:^digit:]]", "(?x:a{ 2 })", r"\\{e}"]
)
def test_a_pattern_with_another_meaning_to_regex_is_refused(pattern: str) -> None:
    with pytest.raises(CnnlibError, match=r"has '.*', which is neither a count .* nor a class of characters"):
        name_part("group_pattern", f"({pattern})")


@pytest.mark.parametrize(
    "pattern", [r"\{(\d+)\}", r"(\[:a:\])", r"([:_-]\w)", r"(\N{DIGIT ONE})", r"(a{1,2}_)"]
)
def test_braces_and_brackets_that_mean_the_same_to_both_are_read(pattern: str) -> None:
    name = "{2}[:a:]_1a_"
    assert name_part("group_pattern", pattern)(name) == re.search(pattern, name)[1]


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
        ("(a{99999999,})", "whose product is above 10,000"),
        ("((?:ab){1000000,})", "whose product is above 10,000"),
        ("(a{,99999999})", "whose product is above 10,000"),
        ("a", "needs exactly one group"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_pattern_that_cannot_be_used_is_refused(pattern: Any, message: str) -> None:
    with pytest.raises(CnnlibError, match=f"(?s)group_pattern .*{message}"):
        name_part("group_pattern", pattern)
