"""What is wrong with a data set, collected so that all of it is reported at once."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from cnnlib.types import CnnlibError

_SHOWN = 3


class Problems:
    """What is wrong with ``what``, by kind."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._examples: dict[str, list[str]] = {}

    def add(self, kind: str, example: str) -> None:
        """``kind`` says what is wrong, and ``example`` where."""
        self._examples.setdefault(kind, []).append(example)

    def raise_any(self) -> None:
        """Raises one ``CnnlibError`` with every kind of problem, its count and the first few, if there is one."""
        lines = [f"{self._what} cannot be used:"]
        for kind, examples in self._examples.items():
            lines += [f"  {kind}: {len(examples)}", *(f"    {example}" for example in examples[:_SHOWN])]
            if len(examples) > _SHOWN:
                lines.append(f"    and {len(examples) - _SHOWN} more")
        if self._examples:
            raise CnnlibError("\n".join(lines))


class LeftOut:
    """What of ``what`` is not used, by kind; nothing that forbids its use."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._examples: dict[str, list[str]] = {}

    def add(self, kind: str, examples: Iterable[str]) -> None:
        """``kind`` says what is not used and why, and ``examples`` where, each once."""
        known = self._examples.setdefault(kind, [])
        known += [example for example in dict.fromkeys(examples) if example not in known]

    def report(self) -> None:
        """On stderr, a line for each kind: its count and the first few."""
        for kind, examples in self._examples.items():
            if examples:
                few = ", ".join(examples[:_SHOWN]) + (", ..." if len(examples) > _SHOWN else "")
                print(f"{self._what}: left out {len(examples)} {kind}: {few}", file=sys.stderr)
