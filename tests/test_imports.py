"""Who may import whom: the arrows that keep the rooms apart."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "cnnlib"
LEAVES = {"types", "checks", "files", "lookup"}

ALLOWED = {
    "types": set(),
    "checks": {"types"},
    "files": {"types"},
    "lookup": {"checks", "types"},
    "environment": set(),
    "workers": set(),
    "tasks": LEAVES,
    "config": LEAVES
    | {
        "tasks",
        "datasets",
        "augmentations",
        "models",
        "losses",
        "metrics",
        "predictions",
        "engine",
    },  # tables
    "datasets": LEAVES | {"tasks"},
    "augmentations": LEAVES | {"tasks"},
    "models": LEAVES | {"tasks"},
    "losses": LEAVES | {"tasks"},
    "metrics": LEAVES | {"tasks"},
    "engine": LEAVES | {"tasks"},
    "predictions": LEAVES | {"tasks"},
    "reporting": LEAVES | {"tasks"},
}
ROOF = {"experiment", "estimate", "suite", "inference"}  # these know everyone


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module]
            if node.module == "cnnlib":
                names = [f"cnnlib.{alias.name}" for alias in node.names if alias.name != "__version__"]
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name.startswith("cnnlib.")}
    return rooms


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    own = room(path)
    if own in ROOF:
        return
    foreign = imported_rooms(path) - {own} - ALLOWED[own]
    assert not foreign, f"{path.relative_to(PACKAGE)} imports {sorted(foreign)}"


def test_every_room_has_its_rule() -> None:
    assert {room(path) for path in FILES} <= ALLOWED.keys() | ROOF
