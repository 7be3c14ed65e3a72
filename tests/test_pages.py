"""The pages for people: what they link to, and name, is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "experiments/**/*.md")
    for path in ROOT.glob(pattern)
)
FILES = re.compile(r"`((?:cnnlib|configs|docs|experiments|tests|tools)/[\w./]+\.\w+)`")
COMMANDS = re.compile(r"python (tools/\w+\.py|-m [\w.]+)(?: ((?:configs|experiments)/[\w./]+\.yaml))?")
LINKS = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = (ROOT / page).read_text()
    links = {(ROOT / page).parent / link for link in LINKS.findall(text)}
    named = {ROOT / name for name in FILES.findall(text)}
    for tool, config in COMMANDS.findall(text):
        module = tool.removeprefix("-m ").replace(".", "/")
        places = (ROOT / tool, ROOT / f"{module}.py", ROOT / module / "__main__.py")
        named.add(next((place for place in places if place.exists()), places[0]))
        named |= {ROOT / config} if config else set()
    assert not [str(path) for path in sorted(links | named) if not path.exists()]


def test_pages_are_found_and_have_links() -> None:
    assert Path("README.md") in PAGES
    assert len(LINKS.findall((ROOT / "README.md").read_text())) > 10
