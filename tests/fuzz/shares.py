"""How many cases of each part one command tries."""

from __future__ import annotations

_OF_FILES = {"pictures": 0.3, "data_sets": 0.3, "runs": 0.05}
"""The rest are annotations. A run takes thirty times as long as a picture."""


def counts_of(count: int) -> dict[str, int]:
    """``count`` configs, and half as many damaged files: at least one of each sort."""
    files = {part: max(1, round(share * (count // 2))) for part, share in _OF_FILES.items()}
    return {"configs": count, "annotations": max(1, count // 2 - sum(files.values())), **files}
