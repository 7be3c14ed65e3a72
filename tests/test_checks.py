"""What guards refuse, and what they say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Literal

import pytest
import torch
from annotated_types import Ge, Gt, Le, Lt, MinLen, MultipleOf
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.checks import check_rank, check_same_shape, checked, did_you_mean
from cnnlib.types import CnnlibError


class Part:
    @checked
    def __init__(
        self,
        share: Annotated[float, Gt(0), Le(1)] = 0.5,
        momentum: Annotated[float, Ge(0), Lt(2)] = 0.0,
        count: Annotated[int, Ge(2)] = 2,
        widths: Annotated[Sequence[Annotated[int, Ge(1)]], MinLen(1)] = (1,),
        limit: Annotated[float, Gt(0)] | None = None,
        mode: Literal["near", "bilinear"] = "near",
        sizes: Mapping[str, Annotated[int, Ge(1)]] = MappingProxyType({}),
        word: Annotated[str, MinLen(1)] = "a",
        even: Annotated[int, MultipleOf(2)] = 2,
        anything: float = 1.0,
    ) -> None:
        self.share, self.count, self.anything = share, count, anything


@given(st.floats(-3, 3))
def test_bounds_are_in_or_out_as_written(value: float) -> None:
    for name, holds in {"share": 0 < value <= 1, "momentum": 0 <= value < 2}.items():
        if holds:
            Part(**{name: value})
        else:
            with pytest.raises(CnnlibError, match=rf"^{name} must be (above|at|below).*; it is -?\d"):
                Part(**{name: value})


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"share": 0}, "share must be above 0; it is 0"),
        ({"share": 1.5}, "share must be at most 1; it is 1.5"),
        ({"momentum": -0.5}, "momentum must be at least 0; it is -0.5"),
        ({"momentum": 2}, "momentum must be below 2; it is 2"),
        ({"share": math.nan}, "share must be a finite number; it is nan"),
        ({"share": -math.inf}, "share must be a finite number; it is -inf"),
        ({"share": True}, "share must be a number; it is True"),
        ({"share": "1"}, "share must be a number; it is '1'"),
        ({"share": None}, "share must be a number; it is None"),
        ({"count": 1}, "count must be at least 2; it is 1"),
        ({"count": 2.0}, "count must be an integer; it is 2.0"),
        ({"count": True}, "count must be an integer; it is True"),
        ({"widths": [4, 0]}, "widths[1] must be at least 1; it is 0"),
        ({"widths": []}, "widths must be a list of at least 1; it is []"),
        ({"widths": "abc"}, "widths must be a list; it is 'abc'"),
        ({"widths": 4}, "widths must be a list; it is 4"),
        ({"sizes": 4}, "sizes must be a mapping; it is 4"),
        ({"word": ""}, "word must be text, at least 1 long; it is ''"),
        ({"word": "\ud800"}, "word must be text of Unicode characters; it is '\\ud800'"),
        ({"even": 3}, "even must be a multiple of 2; it is 3"),
        ({"limit": 0}, "limit must be above 0; it is 0"),
        ({"mode": "cubic"}, "mode must be 'near' or 'bilinear'; it is 'cubic'"),
    ],
)
def test_what_lies_outside_is_refused_by_name(given: dict[str, object], text: str) -> None:
    with pytest.raises(CnnlibError) as caught:
        Part(**given)
    assert str(caught.value) == text


def test_what_lies_inside_arrives_as_it_was_given() -> None:
    part = Part(
        1, limit=None, widths=(3, 4), anything="whatever"
    )  # an argument without a range is not looked at
    assert (part.share, type(part.share), part.count, part.anything) == (1, int, 2, "whatever")


def test_a_checked_function_is_called_like_any_other() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'cuont'"):
        Part(cuont=3)


def test_the_nearest_word_is_offered_only_if_it_is_near() -> None:
    assert did_you_mean("dise", ["bce", "dice"]) == " (did you mean 'dice'?)"
    assert did_you_mean("xyz", ["bce", "dice"]) == ""


@pytest.mark.parametrize("valid", [None, (2, 3), (2, 1), (1, 1)])
def test_shapes_that_fit_pass(valid: tuple[int, ...] | None) -> None:
    mask = None if valid is None else torch.ones(valid, dtype=torch.bool)
    check_same_shape(torch.zeros(2, 3), torch.zeros(2, 3), mask)


@pytest.mark.parametrize(
    ("pred", "target", "valid", "text"),
    [
        ((2, 3), (2, 1), None, r"the prediction is \(2, 3\), the target \(2, 1\)"),
        ((2, 3), (2, 3), (3,), r"must have the target's shape \(2, 3\), or 1 along some axes; it is \(3,\)"),
        ((2, 3), (2, 3), (2, 2), r"it is \(2, 2\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    pred: tuple[int, ...], target: tuple[int, ...], valid: tuple[int, ...] | None, text: str
) -> None:
    mask = None if valid is None else torch.ones(valid, dtype=torch.bool)
    with pytest.raises(ValueError, match=text):
        check_same_shape(torch.zeros(pred), torch.zeros(target), mask)


def test_a_wrong_number_of_axes_is_refused() -> None:
    check_rank(torch.zeros(1, 2), 2, "a batch", "(B, C)")
    with pytest.raises(ValueError, match=r"^a batch must be \(B, C\); it has shape \(1,\)$"):
        check_rank(torch.zeros(1), 2, "a batch", "(B, C)")
