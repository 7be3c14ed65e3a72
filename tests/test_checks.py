"""What guards refuse, and what they say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.checks import check_range, check_whole
from cnnlib.types import CnnlibError


@given(st.floats(-3, 3))
def test_bounds_are_in_or_out_as_named(value: float) -> None:
    for bounds, holds in (
        ({"least": 0}, value >= 0),
        ({"above": 0}, value > 0),
        ({"most": 1}, value <= 1),
        ({"below": 1}, value < 1),
        ({"least": -1, "below": 2}, -1 <= value < 2),
    ):
        if holds:
            check_range("x", value, **bounds)
        else:
            with pytest.raises(CnnlibError, match=r"^x must be "):
                check_range("x", value, **bounds)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "1", None])
def test_what_is_no_finite_number_lies_nowhere(value: object) -> None:
    with pytest.raises(CnnlibError, match=r"^p must be at least 0 and below 2; it is "):
        check_range("p", value, least=0, below=2)


@pytest.mark.parametrize("value", [1, 0, -3, 2.0, True, "3", None])
def test_whole_numbers(value: object) -> None:
    with pytest.raises(CnnlibError, match=r"^n must be a whole number of at least 2; it is "):
        check_whole("n", value, 2)
    check_whole("n", 2, 2)
