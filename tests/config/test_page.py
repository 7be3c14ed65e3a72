"""docs/config.md says what the code takes."""

from __future__ import annotations

import pytest

from cnnlib.config.options import options_of
from cnnlib.config.tables import ROOMS, load_tables
from tools.config_page import PAGE, render

COMPONENTS = [(room, name) for room, table in load_tables().items() if room != "loss" for name in table]


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: make schema"


@pytest.mark.parametrize(("room", "name"), COMPONENTS)
def test_every_option_is_on_it(room: str, name: str) -> None:
    section = render().partition(f"\n### {name}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    for option in options_of(load_tables()[room][name], ROOMS[room].injected).names:
        assert f"`{option}`" in section
