"""Averages of what is known, against numpy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch import Tensor

from cnnlib.tasks import averages
from cnnlib.tasks.averages import mean, median, sums

NUMBERS = st.floats(-100, 100, width=32) | st.just(math.nan)
SAMPLES = arrays(np.float32, array_shapes(min_dims=3, max_dims=4, max_side=5), elements=NUMBERS)


def close(result: Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5, atol=1e-5)


@given(SAMPLES)
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_the_mean_is_that_of_numpy(samples: np.ndarray) -> None:
    total, count = sums(map(torch.from_numpy, samples))
    close(total, np.nansum(samples.astype(float), axis=0))
    close(count, (~np.isnan(samples)).sum(0))
    alike = tuple(range(-(samples.ndim - 2), 0))
    others = np.nan_to_num(np.nanmean(samples, axis=(0, *alike), keepdims=True, dtype=float)[0])
    expected = np.nanmean(samples, axis=0, dtype=float)
    close(mean(total, count, alike), np.where(np.isnan(expected), others, expected))


@given(SAMPLES)
@pytest.mark.filterwarnings("ignore:All-NaN slice")
def test_the_median_is_that_of_numpy(samples: np.ndarray) -> None:
    result, expected = median(map(torch.from_numpy, samples), ()), np.nanmedian(samples, axis=0)
    assert result.dtype == torch.float32
    close(result, np.nan_to_num(expected))
    filled = median(map(torch.from_numpy, samples), (-2, -1))
    others = np.nanmedian(np.nanmedian(expected, axis=-2, keepdims=True), axis=-1, keepdims=True)
    close(filled, np.nan_to_num(np.where(np.isnan(expected), others, expected)))


@given(count=st.integers(1, 300), most=st.integers(1, 600))
def test_a_median_keeps_few_values_from_samples_spread_evenly(count: int, most: int) -> None:
    """Of samples of 6 values: all, every second, every fourth, and so on."""
    seen: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(averages, "_MOST_VALUES", most)
        stack = torch.stack
        patch.setattr(torch, "stack", lambda part: seen.append(sum(map(torch.numel, part))) or stack(part))
        result = median((torch.full((1, 2, 3), float(index)) for index in range(count)), (-2, -1))
    steps = [2**power for power in range(10)]
    kept = [step for step in steps if 6 * len(range(0, count, step)) <= max(most, 6)]
    assert (result == np.median(np.arange(0, count, kept[0]))).all()
    assert sum(seen) <= max(most, 6)


def test_a_median_sorts_its_values_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = torch.rand(9, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    whole = median(samples, ())
    for at_once in (1, 9, 100):
        monkeypatch.setattr(averages, "_AT_ONCE", at_once)
        assert torch.equal(median(samples, ()), whole)
