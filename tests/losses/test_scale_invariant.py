from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.functional import mean_squared_log_error

from cnnlib.losses import silog_loss, ssi_loss

PRED = 1 + 4 * torch.rand(3, 1, 9, 11, generator=torch.Generator().manual_seed(0))
TARGET = 1 + 4 * torch.rand(3, 1, 9, 11, generator=torch.Generator().manual_seed(1))
VALID = torch.rand(3, 1, 9, 11, generator=torch.Generator().manual_seed(2)) > 0.3


def images() -> list[tuple[np.ndarray, np.ndarray]]:
    """The valid predictions and targets of each image, float64."""
    each = zip(PRED.double(), TARGET.double(), VALID, strict=True)
    return [(pred[inside].numpy(), target[inside].numpy()) for pred, target, inside in each]


@pytest.mark.parametrize("scale_invariance", [0.0, 0.5, 0.85, 1.0])
def test_silog_equals_eigens_formula(scale_invariance: float) -> None:
    expected = []
    for pred, target in images():
        ratio = np.log(pred) - np.log(target)
        n = len(ratio)
        expected.append((ratio**2).sum() / n - scale_invariance / n**2 * ratio.sum() ** 2)
    loss = silog_loss(PRED, TARGET, VALID, scale_invariance)
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_silog_without_invariance_is_the_squared_error_of_logarithms() -> None:
    expected = mean_squared_log_error(PRED - 1, TARGET - 1)  # torchmetrics takes log(1 + x)
    torch.testing.assert_close(silog_loss(PRED, TARGET, scale_invariance=0.0), expected)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_silog_forgives_a_factor_as_far_as_it_was_told_to(factor: float) -> None:
    scaled = factor * TARGET
    assert silog_loss(scaled, TARGET, scale_invariance=1.0) < 1e-6
    forgiven = silog_loss(scaled, TARGET, scale_invariance=0.25)
    assert forgiven.item() == pytest.approx(0.75 * math.log(factor) ** 2, rel=1e-4)


def test_silog_bears_predictions_that_are_no_depth() -> None:
    pred = torch.tensor([-1.0, 0.0, 2.0]).view(1, 1, 1, 3).requires_grad_()
    loss = silog_loss(pred, torch.full_like(pred, 2.0))
    loss.backward()
    assert loss > 1
    assert pred.grad.isfinite().all()


@pytest.mark.parametrize("error", ["l1", "mse"])
@pytest.mark.parametrize("trim", [0.0, 0.2, 0.9])
def test_ssi_equals_numpys_least_squares(error: str, trim: float) -> None:
    expected = []
    for pred, target in images():
        system = np.stack([pred, np.ones_like(pred)], axis=1)
        solution, *_ = np.linalg.lstsq(system, target)
        residual = np.abs(system @ solution - target)
        kept = np.sort(residual)[: math.ceil((1 - trim) * len(residual))]
        expected.append((kept if error == "l1" else kept**2).mean())
    loss = ssi_loss(PRED, TARGET, VALID, error=error, trim=trim)
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-4)


@given(st.floats(0.05, 20), st.floats(-10, 10))
def test_ssi_does_not_see_scale_and_shift(scale: float, shift: float) -> None:
    loss = ssi_loss(PRED.double(), TARGET.double(), VALID)
    moved = ssi_loss(scale * PRED.double() + shift, TARGET.double(), VALID)
    torch.testing.assert_close(moved, loss, rtol=1e-3, atol=0)
    assert ssi_loss(scale * TARGET.double() + shift, TARGET.double()) < 1e-5


def test_ssi_of_a_flat_prediction_is_the_variance_of_the_truth() -> None:
    loss = ssi_loss(torch.full_like(TARGET, 2.0), TARGET)
    expected = TARGET.flatten(1).var(dim=1, correction=0).mean()
    torch.testing.assert_close(loss, expected)


def test_ssi_of_an_almost_flat_prediction_has_a_bounded_gradient() -> None:
    def slope(noise: float) -> Tensor:
        pred = (2 + noise * (PRED - 3)).requires_grad_()
        ssi_loss(pred, TARGET).backward()
        return pred.grad.norm()

    assert slope(1e-6) < 100 * slope(1.0)


def test_trimming_leaves_outliers_out() -> None:
    pred, target = TARGET.clone(), TARGET.clone()
    target[..., 0, :2] = 60.0  # a sensor's mistake
    assert ssi_loss(pred, target, error="l1", trim=0.2) < 0.5 * ssi_loss(pred, target, error="l1")
