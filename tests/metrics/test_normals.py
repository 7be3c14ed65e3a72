"""Metrics of normals against NumPy's arc cosine in float64, and where that fails against angles known beforehand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cnnlib.metrics.normals import NormalsMetrics, angle_between

SIZE = (8, 9)


def _turned(degrees: list[float]) -> tuple[Tensor, Tensor]:
    """A row of vectors turned from the viewing axis by these angles, and that axis: float64 (1, 3, 1, N)."""
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    turned = torch.stack([angle.sin(), torch.zeros_like(angle), -angle.cos()])[None, :, None]
    return turned, torch.tensor([0.0, 0, -1], dtype=torch.float64).view(1, 3, 1, 1).expand_as(turned)


def _measure(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> NormalsMetrics:
    metric = NormalsMetrics()
    everywhere = torch.ones_like(target[:, :1], dtype=torch.bool)
    metric.update(pred, target, everywhere if valid is None else valid, SIZE)
    return metric


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.05, 3))
def test_numpy_agrees(seed: int, noise: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    target = F.normalize(torch.randn(3, 3, *SIZE, generator=generator), dim=1)
    pred = F.normalize(target + noise * torch.randn(3, 3, *SIZE, generator=generator), dim=1)
    valid = torch.rand(3, 1, *SIZE, generator=generator) < 0.7
    cosine = F.cosine_similarity(pred.double(), target.double(), dim=1).unsqueeze(1)
    angle = np.rad2deg(np.arccos(cosine.clamp(-1, 1)[valid].numpy()))
    metric = _measure(pred, target, valid)
    measured = metric.compute()
    assert measured["mean"] == pytest.approx(angle.mean(), abs=1e-4)
    lower, upper = np.sort(angle)[[(len(angle) - 1) // 2, len(angle) // 2]]
    assert lower - 0.006 <= measured["median"] <= upper + 0.006
    for limit in (11.25, 22.5, 30):
        assert measured[f"within_{limit}"] == pytest.approx((angle <= limit).mean(), abs=0.003)
    for index, median in enumerate(metric.per_image()["median"].tolist()):
        chosen = np.rad2deg(np.arccos(cosine[index].clamp(-1, 1)[valid[index]].numpy()))
        assert median == pytest.approx(np.quantile(chosen, 0.5, method="lower"), abs=1e-4)


@pytest.mark.parametrize("degrees", [0, 1e-6, 1e-3, 1, 90, 179, 180 - 1e-6, 180])
def test_angles_are_exact_where_the_arc_cosine_is_not(degrees: float) -> None:
    assert angle_between(*_turned([degrees])).item() == pytest.approx(degrees, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("degrees", [0, 0.004, 11.238, 33.333, 179.999, 180])
def test_the_median_of_a_split_is_read_to_a_hundredth_of_a_degree(degrees: float) -> None:
    metric = _measure(*_turned([degrees] * 3 + [170]))
    assert metric.compute()["median"] == pytest.approx(degrees, abs=0.005001)
    assert metric.per_image()["median"].item() == pytest.approx(degrees, abs=1e-6)


def test_limits_are_within() -> None:
    measured = _measure(*_turned([11.2, 11.3, 22.4, 22.6, 29.9, 30.1])).compute()
    assert [measured[f"within_{limit}"] for limit in (11.25, 22.5, 30)] == pytest.approx(
        [1 / 6, 3 / 6, 5 / 6]
    )


def test_no_direction_is_wrong_by_a_right_angle() -> None:
    _, target = _turned([0])
    assert _measure(torch.zeros_like(target), target).compute()["mean"] == pytest.approx(90)


def test_a_prediction_that_is_nan_shows() -> None:
    pred, target = _turned([1, 1, 1, torch.nan])
    measured = _measure(pred, target).compute()
    assert math.isnan(measured["mean"])
    assert math.isnan(measured["median"])
    assert measured["within_30"] == 0.75
