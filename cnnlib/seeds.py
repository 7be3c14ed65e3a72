"""Seeds that follow from other seeds."""

from __future__ import annotations

import numpy as np


def derived_seed(*path: int) -> int:
    """A 63-bit seed from a path of non-negative integers; different paths give unrelated seeds."""
    # Without its length, a path and the same with zeros at its end would be one.
    return int(np.random.SeedSequence((len(path), *path)).generate_state(1, np.uint64)[0] >> 1)
