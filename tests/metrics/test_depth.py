"""Depth metrics against torchmetrics' own and against their formulas in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.functional.regression import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
)

from cnnlib.metrics.depth import DepthMetrics

SIZE = (7, 9)


def _split(seed: int, images: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pred, noise, lottery = torch.rand(3, images, 1, 7, 9, generator=generator)
    target = 0.2 + 8 * noise
    return target * (0.5 + pred), target, lottery < 0.8


def _measure(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> dict[str, float]:
    metric = DepthMetrics()
    metric.update(pred, target, _all(target) if valid is None else valid, SIZE)
    return metric.compute()


def _all(target: Tensor) -> Tensor:
    return torch.ones_like(target, dtype=torch.bool)


def _pixels(*values: float) -> Tensor:
    return torch.tensor(values).view(1, 1, 1, -1)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_torchmetrics_agrees(seed: int) -> None:
    pred, target, valid = _split(seed)
    measured = _measure(pred, target, valid)
    p, t = pred[valid], target[valid]
    assert measured["mae"] == pytest.approx(float(mean_absolute_error(p, t)), rel=1e-5)
    assert measured["rmse"] == pytest.approx(float(mean_squared_error(p, t, squared=False)), rel=1e-5)
    assert measured["abs_rel"] == pytest.approx(float(mean_absolute_percentage_error(p, t)), rel=1e-5)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_numpy_agrees(seed: int) -> None:
    """silog as the standard deviation of the log ratios, which is the same thing."""
    pred, target, valid = _split(seed)
    measured = _measure(pred, target, valid)
    p, t = pred[valid].double().numpy(), target[valid].double().numpy()
    worse = np.maximum(p / t, t / p)
    expected = {
        "mae": np.abs(p - t).mean(),
        "rmse": np.sqrt(((p - t) ** 2).mean()),
        "abs_rel": (np.abs(p - t) / t).mean(),
        "sq_rel": ((p - t) ** 2 / t).mean(),
        "rmse_log": np.sqrt(((np.log(p) - np.log(t)) ** 2).mean()),
        "log10": np.abs(np.log10(p) - np.log10(t)).mean(),
        "silog": 100 * np.std(np.log(p) - np.log(t)),
        "delta1": (worse < 1.25).mean(),
        "delta2": (worse < 1.25**2).mean(),
        "delta3": (worse < 1.25**3).mean(),
    }
    assert measured == pytest.approx(expected, rel=1e-9)


def test_the_truth_is_perfect() -> None:
    _, target, _ = _split(0)
    assert _measure(target, target) == {
        "mae": 0, "rmse": 0, "abs_rel": 0, "sq_rel": 0, "rmse_log": 0, "log10": 0, "silog": 0,
        "delta1": 1, "delta2": 1, "delta3": 1,
    }  # fmt: skip


@settings(max_examples=20)
@given(scale=st.floats(0.01, 100))
def test_silog_does_not_see_the_scale(scale: float) -> None:
    pred, target, valid = _split(1)
    pred = pred.double()
    silog = _measure(pred, target, valid)["silog"]
    assert _measure(scale * pred, target, valid)["silog"] == pytest.approx(silog, rel=1e-9)
    assert _measure(scale * target.double(), target, valid)["silog"] == pytest.approx(0, abs=1e-4)


def test_relative_metrics_leave_out_targets_of_zero() -> None:
    measured = _measure(_pixels(2.0, 3.0), _pixels(1.0, 0.0))
    assert (measured["mae"], measured["rmse"]) == (2.0, pytest.approx(math.sqrt(5)))
    assert (measured["abs_rel"], measured["silog"], measured["delta3"]) == (1.0, 0.0, 0.0)
    nothing_positive = _measure(_pixels(2.0), _pixels(0.0))
    assert nothing_positive["mae"] == 2.0
    assert all(math.isnan(value) for name, value in nothing_positive.items() if name not in ("mae", "rmse"))


@pytest.mark.parametrize("bad", [0.0, -1.0, -0.001])
def test_predictions_that_are_not_positive_are_outside_every_delta(bad: float) -> None:
    measured = _measure(_pixels(1.0, bad), _pixels(1.0, 1.0))
    assert [measured[f"delta{power}"] for power in (1, 2, 3)] == [0.5] * 3
    assert not any(math.isfinite(measured[name]) for name in ("silog", "rmse_log", "log10"))
    assert measured["mae"] == pytest.approx((1 - bad) / 2)


def test_a_prediction_that_is_nan_shows() -> None:
    measured = _measure(_pixels(1.0, torch.nan), _pixels(1.0, 1.0))
    assert all(math.isnan(value) for name, value in measured.items() if not name.startswith("delta"))
    assert measured["delta3"] == 0.5


def test_thresholds_are_strict() -> None:
    measured = _measure(_pixels(1.25, 1.0), _pixels(1.0, 1.25))
    assert (measured["delta1"], measured["delta2"]) == (0.0, 1.0)


def test_the_split_is_no_mean_of_images() -> None:
    """One wrong pixel of one, and none of three: a quarter of the pixels, not half of the images."""
    metric = DepthMetrics()
    for pred, target in ((_pixels(5.0), _pixels(1.0)), (_pixels(2.0, 2.0, 2.0), _pixels(2.0, 2.0, 2.0))):
        metric.update(pred, target, _all(target), SIZE)
    assert metric.compute()["mae"] == 1.0
    assert metric.per_image()["mae"].tolist() == [4.0, 0.0]
