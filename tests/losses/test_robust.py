from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.losses import charbonnier_loss as kornia_charbonnier_loss
from torch import Tensor
from torchmetrics.functional import log_cosh_error

from cnnlib.losses import (
    BerHuLoss,
    CharbonnierLoss,
    HuberLoss,
    SmoothL1Loss,
    berhu_loss,
    charbonnier_loss,
    huber_loss,
    log_cosh_loss,
    smooth_l1_loss,
)
from cnnlib.types import CnnlibError

PRED = 2 * torch.randn(2, 1, 8, 9, generator=torch.Generator().manual_seed(0))
TARGET = 2 * torch.randn(2, 1, 8, 9, generator=torch.Generator().manual_seed(1))
VALID = torch.rand(2, 1, 8, 9, generator=torch.Generator().manual_seed(2)) > 0.3


@pytest.mark.parametrize("corner", [0.05, 1.0, 3.0])
def test_equal_torch_on_the_valid_pixels(corner: float) -> None:
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


@settings(deadline=None)
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


@pytest.mark.parametrize(
    ("loss", "option", "value"),
    [
        (HuberLoss, "delta", 0.0),
        (SmoothL1Loss, "beta", -1.0),
        (CharbonnierLoss, "epsilon", float("nan")),
        (BerHuLoss, "threshold", 1.5),
    ],
)
def test_options_out_of_range(loss: type, option: str, value: float) -> None:
    with pytest.raises(CnnlibError, match=f"{option} must be .*above 0.*; it is {value}"):
        loss(**{option: value})
