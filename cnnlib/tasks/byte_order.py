"""The order of the two bytes of a 16-bit level."""

from __future__ import annotations

import numpy as np

from cnnlib.types import CnnlibError

_ROWS = 64  # looked at
_SMOOTHER = 8
_LEAST_LEVELS = 64  # different ones; fewer may be few far surfaces
_LEAST_BYTES = 3  # different upper, and lower, ones; else levels of 8 bits may be stored in 16


def in_order(levels: np.ndarray, swapped: bool) -> np.ndarray:
    """Depths, uint16 (H, W), with the bytes in the machine's order.

    Args:
        swapped: the bytes of ``levels`` stand the other way round.

    Raises:
        CnnlibError: neighbours would be far smoother with the bytes the other way round: surfaces are smooth, and a
            step of one level then jumps by 256.
    """
    levels = levels.byteswap() if swapped else levels
    rows = levels[:: max(1, len(levels) // _ROWS)]
    if _roughness(rows) > _SMOOTHER * _roughness(rows.byteswap()) and _both_bytes_vary(rows):
        raise CnnlibError(
            "its 16-bit levels look as if their two bytes stood in the "
            + (
                "right order; leave swap_bytes out"
                if swapped
                else "wrong order; set swap_bytes: true, an option of depths in folders"
            )
        )
    return levels


def _both_bytes_vary(levels: np.ndarray) -> bool:
    used = np.unique(levels)
    least = min(len(np.unique(used >> 8)), len(np.unique(used & 255)))
    return len(used) >= _LEAST_LEVELS and least >= _LEAST_BYTES


def _roughness(levels: np.ndarray) -> float:
    """The mean distance of neighbours in a row that are known and differ."""
    left, right = levels[:, :-1].astype(np.int64), levels[:, 1:].astype(np.int64)
    distances = np.abs(left - right)[(left > 0) & (right > 0) & (left != right)]
    return float(distances.mean()) if len(distances) else 0.0
