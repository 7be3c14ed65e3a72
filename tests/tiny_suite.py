"""A suite that is small in every number and real in every part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

TINY: dict[str, Any] = {
    "name": "tiny",
    "seeds": [0],
    "dataset": {"name": "scenes", "size": 32, "train": 16, "val": 4, "test": 5},
    "augmentations": [{"name": "flip"}, {"name": "color"}, {"name": "noise"}],
    "model": {"name": "resunet", "widths": [4, 8]},
    "tasks": {
        "mask": {"loss": "bce"},
        "depth": {"loss": [{"name": "l1"}, {"name": "gradient", "weight": 0.5}]},
    },
    "optimizer": {"name": "adamw", "learning_rate": 0.01},
    "schedule": "one_cycle",
    "training": {"epochs": 2, "batch_size": 4, "workers": 0, "clip_norm": 1.0},
    "predictions": "folder",
}


def write_suite(folder: Path, **changes: Any) -> Path:
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(TINY | changes))
    return path


def assert_same_weights(one: Path, other: Path) -> None:
    """Bit for bit, in the last and in the best checkpoint of two run folders."""
    for name in ("last.ckpt", "best.ckpt"):
        first, second = (
            torch.load(run / "checkpoints" / name, weights_only=True)["model"] for run in (one, other)
        )
        assert first.keys() == second.keys()
        assert all(torch.equal(value, second[key]) for key, value in first.items()), name


def session_of(leader: int) -> list[int]:
    """The living processes that ``leader`` started, and theirs."""
    left = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = path.read_bytes().rpartition(b")")[2].split()[:4]
        except OSError:  # it ended meanwhile
            continue
        if int(session) == leader and state != b"Z":
            left.append(int(path.parent.name))
    return left
