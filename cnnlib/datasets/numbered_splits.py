"""A data set that comes divided into splits, each indexed from 0."""

from __future__ import annotations

from collections.abc import Mapping

from cnnlib.datasets.problems import Problems
from cnnlib.datasets.splits import split_of, spread
from cnnlib.progress import shown
from cnnlib.types import CnnlibError, SampleSource, Split


class NumberedSplits:
    """A data set made of its three splits.

    Args:
        splits: the samples of each split.
        what: the data set in words, for messages.
        check: how many samples ``check`` decodes; ``None``: all.
    """

    def __init__(self, splits: Mapping[Split, SampleSource], what: str, check: int | None) -> None:
        self._splits, self._what, self._count = splits, what, check

    def split(self, part: Split) -> SampleSource:
        return split_of(self._splits, part)

    def check(self) -> None:
        """Decodes samples; raises ``CnnlibError`` with every kind of problem, its count, and the first few."""
        problems = Problems(self._what)
        places = [(part, index) for part, split in self._splits.items() for index in range(len(split))]
        seen: dict[str, Split] = {}
        for at in shown(spread(len(places), self._count), "checking samples"):
            part, index = places[at]
            try:
                name = self._splits[part][index]["name"]
            except CnnlibError as error:
                problems.add("samples that cannot be read", str(error))
                continue
            if name in seen:
                problems.add("names that two samples have", f"{name}: in {seen[name]} and {part}")
            seen[name] = part
        problems.raise_any()
