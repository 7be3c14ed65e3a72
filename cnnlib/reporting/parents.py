"""What a run started from, as its ``result.json`` tells, and what has become of that since."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cnnlib.reporting.run_result import RunResult

_TAKEN = {"weights": "weights", "heads": "heads", "optimizer": "optimizer state"}
"""What a run can take over, in words."""


class State(Enum):
    """What has become of a parent; the value says it after the parent's name."""

    UNCHANGED = "is as it was"
    CHANGED = "has changed since"
    NO_CHECKPOINT = "has lost its best.ckpt, so it may have changed since"
    MISSING = "is missing"


@dataclass(frozen=True)
class Parent:
    """The run that another one started from.

    Attributes:
        folder: where it was, absolute.
        sha256: of its ``best.ckpt`` at the time.
        taken, left: what was taken over, and what was not, in words.
    """

    folder: Path
    experiment: str
    seed: int
    sha256: str
    taken: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def state(self) -> State:
        if not _is_file(self.folder / "result.json"):
            return State.MISSING
        path = self.folder / "checkpoints" / "best.ckpt"
        if not _is_file(path):
            return State.NO_CHECKPOINT
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        return State.UNCHANGED if same else State.CHANGED


def read_parent(run: RunResult) -> Parent | None:
    """``None`` for a run that started from scratch."""
    record = run.result.get("start_from")
    if record is None:
        return None
    return Parent(
        (run.folder / record["folder"]).resolve(),
        record["experiment"],
        record["seed"],
        record["sha256"],
        tuple(words for key, words in _TAKEN.items() if record[key]),
        tuple(words for key, words in _TAKEN.items() if not record[key]),
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False
