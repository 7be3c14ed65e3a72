"""Arrays in fewer bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.datasets.decoded.packing import NotExactError, Packing, packing_for

SHAPE = (1, 40, 40)


def levels(top: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, top + 1, SHAPE)


@given(
    st.integers(0, 2**31),
    st.sampled_from([0.001, 1 / 255, 1 / 256, 1 / 5000, 1.0]),
    st.sampled_from([255, 65535]),
)
def test_levels_of_files_come_back_exactly(seed: int, step: float, top: int) -> None:
    array = levels(top, seed).astype(np.float32) * np.float32(step)
    packing = packing_for([array])
    assert packing.exact
    packed = packing.pack(array)
    assert packed.dtype.itemsize <= 2
    back = packing.unpack(packed)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


@pytest.mark.parametrize(
    ("top", "stored"), [(1, "|u1"), (12, "|u1"), (255, "|u1"), (256, "<u2"), (70000, "<i8")]
)
def test_classes_take_as_few_bytes_as_they_can(top: int, stored: str) -> None:
    array = levels(top)
    array[0, 0, 0] = top
    packing = packing_for([array])
    assert packing.stored == stored
    assert np.array_equal(packing.unpack(packing.pack(array)), array)


def test_other_floats_are_halved_within_a_two_thousandth() -> None:
    array = np.random.default_rng(0).normal(size=(3, 30, 30)).astype(np.float32)
    packing = packing_for([array])
    assert packing.stored == "<f2"
    assert not packing.exact
    np.testing.assert_allclose(packing.unpack(packing.pack(array)), array, rtol=2**-11, atol=1e-7)


def test_what_float16_cannot_hold_stays_whole() -> None:
    assert packing_for([np.full(SHAPE, 1e6 + 0.5, np.float32)]).stored == "<f4"


def test_small_arrays_stay_as_they_are() -> None:
    array = np.array([1.25, 3.0], np.float32)
    assert packing_for([array]) == Packing((2,), "<f4", "<f4")


def test_an_example_that_is_unlike_the_others_is_told() -> None:
    packing = packing_for([levels(255).astype(np.float32)])
    with pytest.raises(NotExactError):
        packing.pack(levels(255).astype(np.float32) + np.float32(0.5))
    with pytest.raises(NotExactError):
        packing.pack(np.full(SHAPE, np.nan, np.float32))
    wide = packing.widened()
    assert wide.stored == "<f2"
    assert np.isnan(wide.unpack(wide.pack(np.full(SHAPE, np.nan, np.float32)))).all()
    with pytest.raises(NotExactError):
        wide.pack(np.full(SHAPE, 70000.0, np.float32))
    assert wide.widened().stored == "<f4"


def test_classes_are_never_rounded() -> None:
    packing = packing_for([levels(255)])
    assert packing.widened().stored == packing.own == "<i8"
