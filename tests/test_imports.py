"""Who may import whom: the arrows between the packages."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "cnnlib"
LEAVES = {"types", "checks", "files", "lookup", "pictures", "processes", "progress", "seeds", "yaml_text"}
SIDE_BY_SIDE = {
    "datasets",
    "augmentations",
    "models",
    "losses",
    "weighting",
    "engine",
    "predictions",
    "reporting",
}
TABLES = {"tasks", *SIDE_BY_SIDE} - {"reporting"}

ALLOWED = {
    "types": set(),
    "checks": {"types"},
    "files": {"types"},
    "pictures": set(),
    "progress": set(),
    "seeds": set(),
    "yaml_text": set(),
    "lookup": {"checks", "types"},
    "video_files": {"checks", "files", "types"},
    "environment": {"processes"},
    "result_file": {"files", "tasks", "types"},
    "workers": {"processes", "types"},
    "interruption": {"processes"},
    "processes": set(),
    "metrics": LEAVES,
    "tasks": LEAVES | {"metrics"},
    "config": LEAVES | TABLES,
    **dict.fromkeys(SIDE_BY_SIDE, LEAVES | {"tasks"}),
    "reporting": LEAVES | {"tasks", "result_file"},
}
ROOF = (
    "assembly",
    "inspection",
    "runs",
    "parents",
    "parent_checks",
    "data_checks",
    "inference",
    "experiment",
    "estimate",
    "suite",
)
"""These put the parts together: each may import all packages, and those of the roof that stand before it."""


def package(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_packages(path: Path) -> set[str]:
    packages = set()
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
        packages |= {name.split(".")[1] for name in names if name.startswith("cnnlib.")}
    return packages


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_package_may(path: Path) -> None:
    own = package(path)
    allowed = ALLOWED.keys() | set(ROOF[: ROOF.index(own)]) if own in ROOF else ALLOWED[own]
    foreign = imported_packages(path) - {own} - allowed
    assert not foreign, f"{path.relative_to(PACKAGE)} imports {sorted(foreign)}"


def test_every_package_has_its_rule() -> None:
    assert {package(path) for path in FILES} <= ALLOWED.keys() | set(ROOF)
