"""What is killed: suites that are small in every number, and have all that a suite can have."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.tiny_suite import TINY, write_suite
from tools.make_shards import main as make_shards

SUITES = ("family", "growing")
_TRAINING = TINY["training"] | {"epochs": 3, "workers": 2}


@dataclass(frozen=True)
class Suite:
    """A suite's file and what it is called with beside it."""

    name: str
    path: Path
    options: tuple[str, ...] = ()

    def command(self, out: Path) -> list[str]:
        tool = Path(__file__).parent.parent.parent / "tools" / "run_suite.py"
        return [sys.executable, str(tool), str(self.path), "--out", str(out), "--jobs", "2", *self.options]


def write_suites(folder: Path) -> list[Suite]:
    """One whose runs start from each other, on folds of shards; one that adds seeds until all is decided."""
    family, growing = (folder / name for name in SUITES)
    for each in (family, growing):
        each.mkdir()
    plain = write_suite(folder)
    if make_shards([str(plain), "--out", str(folder / "shards"), "--samples-per-shard", "6", "--jobs", "1"]):
        raise SystemExit("the shards could not be written")
    experiments = {
        "first": {"training.ema_decay": 0.9},
        "second": {"start_from": {"run": "first", "heads": True, "optimizer": True}},
    }
    of_family = write_suite(
        family,
        seeds=[0, 1],
        experiments=experiments,
        training=_TRAINING,
        dataset={"name": "shards", "root": str(folder / "shards"), "folds": 2},
    )
    of_growing = write_suite(
        growing,
        seeds=[0, 1],
        experiments={"bce": {}, "l1": {"tasks.mask.loss": "l1"}},
        training=_TRAINING,
        predictions="zip",
    )
    return [
        Suite("family", of_family),
        Suite("growing", of_growing, ("--until", "decided", "--max-seeds", "3")),
    ]
