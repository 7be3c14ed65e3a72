"""docs/losses.md says what the code does."""

from __future__ import annotations

import inspect
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Lt

from cnnlib.config.options import argument_notes
from cnnlib.losses import LOSSES
from tools.losses_table import PAGE, allowed, fields, render


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python tools/losses_table.py"


@pytest.mark.parametrize("name", LOSSES)
def test_a_docstring_names_the_options_that_the_class_has(name: str) -> None:
    assert list(argument_notes(LOSSES[name])) == list(inspect.signature(LOSSES[name]).parameters)


def test_a_docstring_without_its_parts_is_refused() -> None:
    class Bare(LOSSES["l1"]):
        """Only a summary.

        Range: [0, 1]
        """

    with pytest.raises(ValueError, match="docstring of Bare lacks Formula, Source"):
        fields(Bare)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Annotated[float, Gt(0)], "number above 0"),
        (Annotated[int, Ge(1)], "integer at least 1"),
        (Annotated[float, Ge(0), Lt(0.5)] | None, "number at least 0 and below 0.5 or null"),
        (Annotated[float, Gt(0)] | Literal["balanced"], "number above 0 or balanced"),
        (Literal["l1", "mse"], "l1 or mse"),
    ],
)
def test_ranges_are_said_in_words(hint: object, words: str) -> None:
    assert allowed(hint) == words
