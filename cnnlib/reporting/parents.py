"""What a run started from, as its ``result.json`` tells, and what has become of that since."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from cnnlib.reporting.run_result import RunResult
from cnnlib.types import CnnlibError

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
        if not (self.folder / "result.json").is_file():
            return State.MISSING
        path = self.folder / "checkpoints" / "best.ckpt"
        if not path.is_file():
            return State.NO_CHECKPOINT
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        return State.UNCHANGED if same else State.CHANGED


def read_parent(run: RunResult) -> Parent | None:
    """``None`` for a run that started from scratch.

    Raises:
        CnnlibError: ``start_from`` in ``result.json`` is damaged.
    """
    record = run.result.get("start_from")
    if record is None:
        return None
    kinds = {"folder": str, "experiment": str, "seed": int, "sha256": str} | dict.fromkeys(_TAKEN, bool)
    if not _has(record, kinds) or "\0" in record["folder"]:
        wanted = ", ".join(f"{key} ({kind.__name__})" for key, kind in kinds.items())
        raise CnnlibError(
            f"{run.folder / 'result.json'}: start_from must hold {wanted}; it is {record!r}; "
            "delete the file to run this again"
        )
    return Parent(
        (run.folder / record["folder"]).resolve(),
        record["experiment"],
        record["seed"],
        record["sha256"],
        tuple(words for key, words in _TAKEN.items() if record[key]),
        tuple(words for key, words in _TAKEN.items() if not record[key]),
    )


def _has(record: Any, kinds: Mapping[str, type]) -> bool:
    return isinstance(record, Mapping) and all(type(record.get(key)) is kind for key, kind in kinds.items())
