from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from kornia.losses import charbonnier_loss as kornia_charbonnier_loss
from torch import Tensor
from torchmetrics.functional import log_cosh_error, mean_squared_error

from cnnlib.losses import (
    berhu_loss,
    charbonnier_loss,
    huber_loss,
    l1_loss,
    log_cosh_loss,
    mse_loss,
    rmse_loss,
    smooth_l1_loss,
)

PRED = 2 * torch.randn(2, 1, 8, 9, generator=torch.Generator().manual_seed(0))
TARGET = 2 * torch.randn(2, 1, 8, 9, generator=torch.Generator().manual_seed(1))
VALID = torch.rand(2, 1, 8, 9, generator=torch.Generator().manual_seed(2)) > 0.3


@given(st.integers(0, 10_000), st.floats(1e-3, 1e3))
def test_equal_torch_on_the_valid_pixels(seed: int, size: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    pred = size * torch.randn(2, 1, 4, 5, generator=generator)
    target = size * torch.randn(2, 1, 4, 5, generator=generator)
    valid = torch.rand(2, 1, 4, 5, generator=generator) > 0.4
    valid[0, 0, 0, 0] = True
    torch.testing.assert_close(l1_loss(pred, target, valid), F.l1_loss(pred[valid], target[valid]))
    torch.testing.assert_close(mse_loss(pred, target, valid), F.mse_loss(pred[valid], target[valid]))
    expected = mean_squared_error(pred[valid], target[valid], squared=False)
    torch.testing.assert_close(rmse_loss(pred, target, valid), expected)


def test_rmse_has_a_gradient_of_length_one_over_root_n_until_the_error_is_gone() -> None:
    target = torch.ones(1, 1, 4, 4)
    for error, length in ((1.0, 0.25), (1e-6, 0.25), (0.0, 0.0)):
        pred = (target + error).requires_grad_()
        rmse_loss(pred, target).backward()
        torch.testing.assert_close(pred.grad.norm(), torch.tensor(length))


@pytest.mark.parametrize("corner", [0.05, 1.0, 3.0])
def test_those_with_a_corner_equal_torch_on_the_valid_pixels(corner: float) -> None:
    pred, target = PRED[VALID], TARGET[VALID]
    expected = F.huber_loss(pred, target, delta=corner)
    torch.testing.assert_close(huber_loss(PRED, TARGET, VALID, corner), expected)
    expected = F.smooth_l1_loss(pred, target, beta=corner)
    torch.testing.assert_close(smooth_l1_loss(PRED, TARGET, VALID, corner), expected)


@pytest.mark.parametrize("epsilon", [0.01, 1.0, 3.0])
def test_charbonnier_equals_kornia(epsilon: float) -> None:
    """kornia's has a tip of width 1."""
    expected = epsilon * kornia_charbonnier_loss(PRED[VALID] / epsilon, TARGET[VALID] / epsilon).mean()
    torch.testing.assert_close(charbonnier_loss(PRED, TARGET, VALID, epsilon), expected)


def test_log_cosh_equals_torchmetrics() -> None:
    expected = log_cosh_error(PRED[VALID], TARGET[VALID])
    torch.testing.assert_close(log_cosh_loss(PRED, TARGET, VALID), expected)


@given(st.floats(-6, 30))
def test_log_cosh_keeps_its_digits_from_tiny_to_huge(exponent: float) -> None:
    error = torch.tensor(10.0**exponent)
    exact = np.log1p(np.sinh(float(error)) ** 2) / 2 if error < 20 else float(error) - np.log(2)
    loss = log_cosh_loss(error.view(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    assert loss.item() == pytest.approx(exact, rel=1e-6)


def berhu_by_hand(pred: Tensor, target: Tensor, threshold: float) -> float:
    size = np.abs(pred.double().numpy() - target.double().numpy())
    c = threshold * size.max()
    return np.where(size <= c, size, (size**2 + c**2) / (2 * c)).mean()


@pytest.mark.parametrize("threshold", [0.05, 0.2, 1.0])
def test_berhu_equals_the_formula_on_the_valid_pixels(threshold: float) -> None:
    loss = berhu_loss(PRED, TARGET, VALID, threshold)
    assert loss.item() == pytest.approx(berhu_by_hand(PRED[VALID], TARGET[VALID], threshold), rel=1e-6)


def test_berhu_is_differentiated_with_its_threshold_held() -> None:
    """The slope is the sign of small errors and error / c of large ones, that of the largest included."""
    pred = PRED.double().requires_grad_()
    berhu_loss(pred, TARGET.double(), threshold=0.2).backward()
    error = (PRED.double() - TARGET.double()).numpy()
    c = 0.2 * np.abs(error).max()
    expected = np.where(np.abs(error) <= c, np.sign(error), error / c) / error.size
    np.testing.assert_allclose(pred.grad.numpy(), expected, rtol=1e-12)
