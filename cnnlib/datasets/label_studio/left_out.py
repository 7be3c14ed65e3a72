"""What of the exports and images of Label Studio is not used."""

from __future__ import annotations

from collections.abc import Iterable

from cnnlib.datasets.problems import as_line


class LeftOut:
    """What is left out, by kind; nothing that forbids the use of the rest.

    Attributes:
        names: what and where, each once, by the kind, which says why.
    """

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}

    def add(self, kind: str, names: Iterable[str]) -> None:
        merged = [*self.names.get(kind, ()), *map(as_line, names)]
        self.names[kind] = list(dict.fromkeys(merged))
