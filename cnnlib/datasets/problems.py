"""What is wrong with a data set, collected so that all of it is reported at once."""

from __future__ import annotations

from cnnlib.types import CnnlibError

_SHOWN = 3


class Problems:
    """Counts the problems of each kind and keeps the first few as examples; a million of them take no memory."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, kind: str, example: str) -> None:
        """``kind`` says what is wrong, and ``example`` where."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < _SHOWN:
            examples.append(example)

    def raise_any(self, what: str) -> None:
        """Raises one ``CnnlibError`` that names every kind of problem in ``what``, if there is one at all."""
        if not self._counts:
            return
        lines = [f"{what} cannot be used:"]
        for kind, count in self._counts.items():
            lines.append(f"  {kind}: {count}")
            lines += [f"    {example}" for example in self._examples[kind]]
            if count > _SHOWN:
                lines.append(f"    and {count - _SHOWN} more")
        raise CnnlibError("\n".join(lines))
