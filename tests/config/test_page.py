"""docs/config.md says what the code takes."""

from __future__ import annotations

import pytest

from cnnlib.config.options import options_of
from cnnlib.config.tables import REGISTRIES, load_tables
from tools.config_page import PAGE, render

COMPONENTS = [
    (registry, name) for registry, table in load_tables().items() if registry != "loss" for name in table
]


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: make schema"


@pytest.mark.parametrize(("registry", "name"), COMPONENTS)
def test_every_option_is_on_it(registry: str, name: str) -> None:
    section = render().partition(f"\n### {name}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    for option in options_of(load_tables()[registry][name], REGISTRIES[registry].injected).names:
        assert f"`{option}`" in section
