"""What is wrong with a configuration, told all at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnlib.types import CnnlibError

MISSING = "is required, and missing"
_LONGEST_VALUE = 80


@dataclass(frozen=True)
class Fault:
    """One thing to correct.

    Attributes:
        path: where, in the language of ``--set``: ``tasks.mask.loss.0.weight``; empty for the whole file.
        text: what was expected, and what came.
        origin: the experiments or the override that brought it, where it is not the file's common part.
    """

    path: str
    text: str
    origin: str = ""

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        origin = f" [{self.origin}]" if self.origin else ""
        return f"{place}{self.text}{origin}"


class ConfigError(CnnlibError):
    """Every fault of one configuration.

    Attributes:
        source: the file, or whatever name the configuration goes by.
        faults: at least one.
    """

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        super().__init__(source, tuple(faults))  # as they are, so that the error can be pickled
        self.source = source
        self.faults = tuple(faults)

    def __str__(self) -> str:
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        return "\n".join([f"{self.source}: {count}", *(f"  {fault}" for fault in self.faults)])


def show(value: Any) -> str:
    """A value as its writer sees it: ``null``, ``true``, ``"text"``; shortened where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
