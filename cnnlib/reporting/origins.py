"""What a run started from, by its ``result.json``, and what has become of that since."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cnnlib.files import file_hash
from cnnlib.reporting.run_result import RunResult
from cnnlib.result_file import StartRecord

_TAKEN = {"weights": "weights", "heads": "heads", "optimizer": "optimizer state"}
"""What a run can take over, in words."""


class State(Enum):
    """What has become of a parent; the value says it after the parent's name."""

    UNCHANGED = "is as it was"
    CHANGED = "has changed since"
    NO_CHECKPOINT = "has lost its best.ckpt, so it may have changed since"
    MISSING = "is missing"


@dataclass(frozen=True)
class Origin:
    """The run that another one started from.

    Attributes:
        folder: where it was, absolute.
        record: what the other run keeps of it.
    """

    folder: Path
    record: StartRecord

    @property
    def taken(self) -> list[str]:
        """What was taken over, in words."""
        return [words for key, words in _TAKEN.items() if self.record[key]]

    @property
    def left(self) -> list[str]:
        """What was not, in words."""
        return [words for key, words in _TAKEN.items() if not self.record[key]]

    @property
    def state(self) -> State:
        if not _is_file(self.folder / "result.json"):
            return State.MISSING
        path = self.folder / "checkpoints" / "best.ckpt"
        if not _is_file(path):
            return State.NO_CHECKPOINT
        return State.UNCHANGED if file_hash(path) == self.record["sha256"] else State.CHANGED


def read_origin(run: RunResult) -> Origin | None:
    """``None`` for a run that started from scratch."""
    record = run.result.get("start_from")
    return None if record is None else Origin((run.folder / record["folder"]).resolve(), record)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False
