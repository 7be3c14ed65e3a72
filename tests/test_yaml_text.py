from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.yaml_text import dump_yaml, parse_texts, parse_yaml

# What YAML 1.1 or 1.2 could take for something else than text.
TRAPS = [
    "1e-3",
    "1.e5",
    "no",
    "on",
    "Yes",
    "null",
    "~",
    "",
    "010",
    "0x1f",
    "1:30",
    "2020-01-01",
    "<<",
    "=",
    "true",
]
TRAPS += [
    "1_000",
    ".5",
    "-.inf",
    ".nan",
    "- a",
    "a: b",
    "#x",
    "!x",
    "&x",
    "*x",
    "{",
    "\t",
    "é",
    "+1",
    "0o7",
    "1.",
]
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"])) | st.sampled_from(TRAPS)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=4) | st.dictionaries(TEXT, v, max_size=4), max_leaves=12
)


@given(VALUES)
def test_what_is_dumped_is_read_back(value: Any) -> None:
    back = parse_yaml(dump_yaml(value))
    assert back == value
    assert json.dumps(back) == json.dumps(value)  # 1 is not 1.0, and true is not 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        ("+2.5e+3", 2500.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", -math.inf),
        ("-3", -3),
        ("0", 0),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("010", "010"),
        ("1_000", "1_000"),
        ("2020-01-01", "2020-01-01"),
        ("True", True),
        ("", None),
        ("{a: }", {"a": None}),
        ("{on: 1}", {"on": 1}),
    ],
)
def test_plain_values_mean_what_they_look_like(text: str, value: Any) -> None:
    back = parse_yaml(text)
    assert back == value
    assert type(back) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_as_python_reads_them(number: float) -> None:
    assert parse_yaml(repr(number)) == number
    assert parse_yaml(f"{number:e}") == float(f"{number:e}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", ["line 3, column 1", "'a'", "twice"]),
        ("x: {a: {b: 1, b: 1}}", ["line 1, column 15", "'b'", "twice"]),
        ("1: x", ["line 1, column 1", "quotes"]),
        ("null: x", ["quotes"]),
        ("true: x", ["quotes"]),
        ("? [a]\n: x", ["must be text"]),
        ("a: [1, 2", ["line 1"]),
        ("a: b: c", ["line 1, column 5"]),
        ("a: !!python/object:os.system x", ["line 1", "python/object"]),
        ("a: 1\n---\nb: 2", ["line 2", "document"]),
        ("a: \x07", ["not allowed"]),
        ("[" * 1000, ["nested too deeply"]),
        ("9" * 5000, ["digits"]),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are checked below
        parse_yaml(text)
    for word in words:
        assert word in str(caught.value)


def test_a_merged_mapping_may_be_overridden() -> None:
    text = "base: &base {a: 1, b: 2}\nmore: &more {<<: *base, b: 3}\nlast: {<<: *more, c: 4}"
    assert parse_yaml(text) == {
        "base": {"a": 1, "b": 2},
        "more": {"a": 1, "b": 3},
        "last": {"a": 1, "b": 3, "c": 4},
    }


LEVELS = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 30)]
MERGES = [f"b{level}: &b{level} {{<<: [{', '.join([f'*b{level - 1}'] * 9)}]}}" for level in range(1, 30)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "\n".join(["a0: &a0 x", *LEVELS]),
            ["line 7, column 5: stands for 597,871 values", "at most 100,000"],
        ),
        (
            "\n".join(["b0: &b0 {x: 1}", *MERGES]),
            ["line 6, column 14: stands for 132,859 values", "at most 100,000"],
        ),
        ("[" + "0, " * 100_001 + "]", ["100,002 values"]),
        ("a: &a {b: *a}", ["line 1, column 11", "leads back"]),
        ("a: " + "[" * 60 + "]" * 60, ["nested too deeply", "50 levels"]),
        ("\n".join(" " * level + "a:" for level in range(60)), ["nested too deeply"]),
        ('a: "x\\0y"', ["line 1, column 4", "NUL"]),
        ('a: "x\\ud800y"', ["line 1, column 4", "halves of characters"]),
        ('"x\\0y": 1', ["line 1, column 1", "NUL"]),
        ('a: !!int ""', ["line 1, column 4", "tags are not read"]),
        ("a: !!float x", ["line 1, column 4", "tags are not read"]),
        ("a: !!bool maybe", ["line 1, column 4", "tags are not read"]),
        ("a: !!timestamp x", ["line 1, column 4", "timestamp"]),
        ("a: !!binary eA==", ["line 1, column 4", "binary"]),
        ("a: !!set {x}", ["line 1, column 4", "set"]),
        ("a: !mine x", ["line 1, column 4", "a tag, '!mine': tags are not read"]),
    ],
    ids=range(16),
)
def test_what_no_configuration_holds_is_refused_with_its_place(text: str, words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are checked below
        parse_yaml(text)
    for word in words:
        assert word in str(caught.value)


def test_a_few_aliases_are_as_good_as_what_they_stand_for() -> None:
    assert parse_yaml("a: &a [1, {b: 2}]\nc: [*a, *a]") == {"a": [1, {"b": 2}], "c": [[1, {"b": 2}]] * 2}


@given(st.recursive(TEXT, lambda v: st.lists(v, max_size=4) | st.dictionaries(TEXT, v, max_size=4)))
def test_text_that_is_dumped_is_read_back_as_text(value: Any) -> None:
    assert parse_texts(dump_yaml(value)) == value


def test_values_may_be_read_as_the_text_that_stands_there() -> None:
    assert parse_texts("{on: {no: 1e-3}, a: [null, 010, ], b: }") == {
        "on": {"no": "1e-3"},
        "a": ["null", "010"],
        "b": "",
    }


def test_what_is_dumped_holds_no_aliases() -> None:
    shared = [1, [2]]
    text = dump_yaml({"a": shared, "b": shared})
    assert parse_texts(text) == {"a": ["1", ["2"]], "b": ["1", ["2"]]}


def test_many_values_are_read_as_text() -> None:
    """A suite of thousands of experiments has more values than a configuration may have."""
    assert len(parse_texts(dump_yaml([0] * 200_000))) == 200_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [x]\nb: *a", "line 2, column 4: an alias, which cnnlib does not write"),
        ("a: &a [*a]", "an alias"),
        ("a: !!int 3", "a tag"),
        ("a: !!python/object:os.system x", "a tag"),
        ("[" * 1000, "nested too deeply"),
        ("{a: 1, a: 2}", "twice"),
    ],
)
def test_what_is_refused_as_text(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_texts(text)
