"""Metrics of points against their formulas in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cnnlib.metrics.points import PointsMetrics

SIZE = (40, 100)


def _measure(pred: Tensor, target: Tensor, valid: Tensor) -> dict[str, float]:
    metric = PointsMetrics()
    metric.update(pred, target, valid, SIZE)
    return metric.compute()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.1, 20))
def test_numpy_agrees(seed: int, noise: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    target = 40 * torch.rand(6, 5, 2, generator=generator)
    pred = torch.cat([target + noise * torch.randn(6, 5, 2, generator=generator), torch.rand(6, 5, 1)], 2)
    valid = torch.rand(6, 5, generator=generator) < 0.6
    valid[0, :2] = True
    distances, shares = [], []
    for p, t, v in zip(pred[..., :2].double().numpy(), target.double().numpy(), valid.numpy(), strict=True):
        distance = np.hypot(*(p - t)[v].T)
        reference = np.hypot(*np.ptp(t[v], axis=0)) if v.sum() > 1 else 100
        distances.extend(distance)
        shares.extend(distance / reference)
    expected = {
        "error": np.mean(distances),
        "within_0.05": np.mean(np.array(distances) <= 5),
        "nme": np.mean(shares),
        "pck": np.mean(np.array(shares) <= 0.2),
    }
    assert _measure(pred, target, valid) == pytest.approx(expected, rel=1e-9)


def test_by_hand() -> None:
    """Points 3, 4 apart in a box with a diagonal of 50; a third point that is not valid is far away."""
    target = torch.tensor([[[0.0, 0], [30, 40], [0, 0]]])
    pred = torch.tensor([[[3.0, 4, 1], [30, 40, 1], [99, 99, 1]]])
    measured = _measure(pred, target, torch.tensor([[True, True, False]]))
    assert measured == {"error": 2.5, "within_0.05": 1.0, "nme": pytest.approx(0.05), "pck": 1.0}


@pytest.mark.parametrize("valid", [[True, False], [True, True]])
def test_without_an_extent_the_picture_is_the_reference(valid: list[bool]) -> None:
    target = torch.full((1, 2, 2), 10.0)
    measured = _measure(target + torch.tensor([6.0, 8.0]), target, torch.tensor([valid]))
    assert measured == {"error": 10.0, "within_0.05": 0.0, "nme": pytest.approx(0.1), "pck": 1.0}


def test_a_prediction_that_is_nan_shows() -> None:
    target = torch.zeros(1, 2, 2)
    measured = _measure(torch.full((1, 2, 2), torch.nan), target, torch.ones(1, 2, dtype=torch.bool))
    assert math.isnan(measured["error"])
    assert measured["within_0.05"] == measured["pck"] == 0


def test_each_image_has_its_own_size() -> None:
    metric = PointsMetrics()
    for size in ((10, 10), (100, 20)):
        metric.update(torch.full((1, 1, 3), 2.0), torch.zeros(1, 1, 2), torch.tensor([[True]]), size)
    assert metric.compute()["within_0.05"] == 0.5
