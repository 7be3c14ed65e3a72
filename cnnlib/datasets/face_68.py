"""The 68 points of a face that most data sets mark.

Source: Sagonas et al., "300 Faces in-the-Wild Challenge", 2013 (the iBUG scheme, that of Multi-PIE). Left and right are
the person's own, so that ``right`` is on the left side of a picture that is not mirrored.
"""

from __future__ import annotations

NAMES = (
    *(f"jaw_{i}" for i in range(1, 18)),
    *(f"right_brow_{i}" for i in range(1, 6)),
    *(f"left_brow_{i}" for i in range(1, 6)),
    *(f"bridge_{i}" for i in range(1, 5)),
    *(f"nostril_{i}" for i in range(1, 6)),
    *(f"right_eye_{i}" for i in range(1, 7)),
    *(f"left_eye_{i}" for i in range(1, 7)),
    *(f"outer_lip_{i}" for i in range(1, 13)),
    *(f"inner_lip_{i}" for i in range(1, 9)),
)
"""In the usual order: from the picture's left to its right, and round each eye and lip clockwise as seen."""

FLIP_ORDER = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46),
    *(39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)
"""The index of the point that each becomes when left and right change places."""
