"""How many cases of each part one command tries."""

from __future__ import annotations

_OF_FILES = {"pictures": 0.4, "data_sets": 0.2, "runs": 0.04}
"""The rest are annotations. A run takes a hundred times as long as a picture."""


def counts_of(count: int) -> dict[str, int]:
    """``count`` configs, and half as many damaged files: at least one of each sort."""
    files = {part: max(1, round(share * (count // 2))) for part, share in _OF_FILES.items()}
    return {"configs": count, "annotations": max(1, count // 2 - sum(files.values())), **files}
