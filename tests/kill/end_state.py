"""What two suites that ran to their ends must have in common."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch

_MEASURED = ("seconds", "images_per_second", "peak_memory_mib")


def differences(suite: Path, whole: Path) -> list[str]:
    """In weights, optimizers, tables of results and of epochs; and what was left that is no result."""
    found = [f"left over: {path}" for path in suite.rglob("*.partial")]
    found += [f"left over: {path}" for path in suite.rglob("traceback.txt")]
    for name in ("results.csv", "summary.csv"):
        if _rows(suite / name) != _rows(whole / name):
            found.append(f"{name} differs")
    for run in sorted(path.parent.relative_to(whole) for path in whole.glob("*/*/result.json")):
        for name in ("per_image.csv", "metrics.csv"):
            if _rows(suite / run / name) != _rows(whole / run / name):
                found.append(f"{run}/{name} differs")
        for name in ("best.ckpt", "last.ckpt"):
            one, other = (
                torch.load(each / run / "checkpoints" / name, weights_only=True) for each in (suite, whole)
            )
            if not _equal(_lasting(one), _lasting(other)):
                found.append(f"{run}/{name} differs")
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [
            {key: value for key, value in row.items() if key not in _MEASURED} for row in csv.DictReader(file)
        ]


def _lasting(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Without what was measured with a clock."""
    state = dict(checkpoint.get("state", {}))
    rows = [
        {key: value for key, value in row.items() if key not in _MEASURED} for row in state.pop("history", [])
    ]
    state.pop("seconds", None)
    return checkpoint | {"state": state, "history": rows}


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one == other or (one != one and other != other)  # both NaN
