"""docs/config.md says what the code takes."""

from __future__ import annotations

import pytest

from cnnlib.config.options import options_of
from cnnlib.config.schema import SuiteFile
from cnnlib.config.tables import REGISTRIES, load_tables
from tools.config_page import PAGE, render

COMPONENTS = [
    (registry, name) for registry, table in load_tables().items() if registry != "loss" for name in table
]


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: make schema"


def test_every_key_of_the_suite_is_on_it_with_its_range() -> None:
    lines = render().partition("\n## The suite\n")[2].partition("\n## ")[0].splitlines()
    heads = [line.partition(": ")[0].removeprefix("- ") for line in lines if line]
    assert [head.partition(" (")[0] for head in heads] == [f"`{key}`" for key in SuiteFile.model_fields]
    assert "`margins` (above 0 and below 1)" in heads
    assert "`first_seeds` (at least 2; default null)" in heads


@pytest.mark.parametrize(("registry", "name"), COMPONENTS)
def test_every_option_is_on_it(registry: str, name: str) -> None:
    section = render().partition(f"\n### {name}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    for option in options_of(load_tables()[registry][name], REGISTRIES[registry].injected).names:
        assert f"`{option}`" in section, "run: make schema"
