"""What is wrong with a data set, collected so that all of it is reported at once."""

from __future__ import annotations

import re
from collections import Counter

from cnnlib.types import CnnlibError

_SHOWN = 3
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST = 500  # characters of an example: files may hold names of any length


class Problems:
    """What is wrong with ``what``, by kind."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def add(self, kind: str, example: str) -> None:
        """``kind`` says what is wrong, and ``example`` where."""
        self._counts[kind] += 1
        if self._counts[kind] <= _SHOWN:
            self._examples.setdefault(kind, []).append(as_line(example))

    def raise_any(self) -> None:
        """Raises one ``CnnlibError`` with every kind of problem, its count and the first few, if there is one."""
        if self._counts:
            raise CnnlibError(f"{self._what} cannot be used:\n{self.summary()}")

    def summary(self) -> str:
        """Every kind of problem, its count and the first few, in lines."""
        lines: list[str] = []
        for kind, count in self._counts.items():
            lines += [f"  {kind}: {count}", *(f"    {example}" for example in self._examples[kind])]
            if count > _SHOWN:
                lines.append(f"    and {count - _SHOWN} more")
        return "\n".join(lines)


def as_line(text: str) -> str:
    """Text out of a file as part of a message: one line of a bounded length that every terminal and file takes."""
    shown = text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}"
    return _UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], shown)
