"""Arrays in fewer bytes: exactly where that can be, else as float16."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_SMALL = 1024  # elements: arrays below it are stored as they are
_STEPS = (1.0, 1 / 1000, 1 / 255, 1 / 256, 1 / 5000, 1 / 65535)
"""Of levels that files hold: classes and masks, millimetres, shares of 8 bits, KITTI's depths, TUM's, shares of 16
bits."""
_LEVELS = {"|u1": 255, "<u2": 65535}


class NotExactError(Exception):
    """A sample that a packing does not give back: exactly, where it should, or at all."""


@dataclass(frozen=True)
class Packing:
    """How one array of all samples is stored.

    Attributes:
        shape: of one sample.
        own: its dtype.
        stored: the dtype on disk.
        step: of levels; 0 where the values themselves are stored.
    """

    shape: tuple[int, ...]
    own: str
    stored: str
    step: float = 0.0

    @property
    def exact(self) -> bool:
        return self.step > 0 or self.stored == self.own

    def pack(self, array: np.ndarray) -> np.ndarray:
        """
        Raises:
            NotExactError: ``exact``, and the array is not what ``unpack`` would give back; or float16 is too small.
        """
        if self.stored == "<f2" and not _fits_half([array]):
            raise NotExactError
        if not self.step:
            return array.astype(self.stored)
        if not np.isfinite(array).all():
            raise NotExactError
        levels = np.clip(np.rint(array / np.array(self.step, np.float64)), 0, _LEVELS[self.stored])
        packed = levels.astype(self.stored)
        if not np.array_equal(self.unpack(packed), array):
            raise NotExactError
        return packed

    def unpack(self, packed: np.ndarray) -> np.ndarray:
        """A new array of the dtype that the data set has."""
        array = np.array(packed, self.own)
        if self.step not in (0.0, 1.0):
            array *= np.array(self.step, self.own)
        return array

    def widened(self) -> Packing:
        """One that takes more arrays: of levels of floats float16, whose values are within 0.05 % of the true ones;
        else the values themselves.
        """
        return Packing(self.shape, self.own, "<f2" if self.step and self.own == "<f4" else self.own)


def packing_for(examples: Sequence[np.ndarray]) -> Packing:
    """The smallest packing that gives ``examples`` back exactly; float16 where none of them does."""
    first = examples[0]
    plain = Packing(first.shape, first.dtype.str, first.dtype.str)
    if first.size < _SMALL or first.dtype == bool:
        return plain
    for stored in _LEVELS:
        for step in _STEPS:
            packing = Packing(first.shape, first.dtype.str, stored, step)
            try:
                for each in examples:
                    packing.pack(each)
            except NotExactError:
                continue
            return packing
    half = Packing(first.shape, first.dtype.str, "<f2")
    return half if first.dtype == np.float32 and _fits_half(examples) else plain


def _fits_half(examples: Sequence[np.ndarray]) -> bool:
    """Unless a finite number is beyond float16's."""
    return not any((np.abs(each[np.isfinite(each)]) > np.finfo(np.float16).max).any() for each in examples)
