"""docs/losses.md says what the code does."""

from __future__ import annotations

import inspect

import pytest

from cnnlib.config.options import argument_notes
from cnnlib.losses import LOSSES
from tools.losses_table import PAGE, fields, render


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python tools/losses_table.py"


@pytest.mark.parametrize("name", LOSSES)
def test_a_docstring_names_the_tasks_and_options_that_the_class_has(name: str) -> None:
    loss = LOSSES[name]
    assert set(fields(loss)["Task"].split(", ")) == loss.tasks
    assert list(argument_notes(loss)) == list(inspect.signature(loss).parameters)


def test_a_docstring_without_its_parts_is_refused() -> None:
    class Bare(LOSSES["l1"]):
        """Only a summary.

        Range: [0, 1]
        """

    with pytest.raises(ValueError, match="docstring of Bare lacks Formula, Source, Task"):
        fields(Bare)
