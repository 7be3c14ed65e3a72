"""What is wrong with a data set, collected so that all of it is reported at once."""

from __future__ import annotations

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
