from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnlib.losses import wing_loss

PRED = 0.1 * torch.randn(6, 5, 2, generator=torch.Generator().manual_seed(0)) + 0.5
TARGET = 0.1 * torch.randn(6, 5, 2, generator=torch.Generator().manual_seed(1)) + 0.5
VALID = torch.rand(6, 5, 1, generator=torch.Generator().manual_seed(2)) > 0.3


def by_hand(error: np.ndarray, width: float, curvature: float) -> float:
    """The paper's equation 5, in float64."""
    size = np.abs(error)
    constant = width - width * np.log(1 + width / curvature)
    return np.where(size < width, width * np.log(1 + size / curvature), size - constant).mean()


@pytest.mark.parametrize(("width", "curvature"), [(0.05, 0.01), (0.2, 0.3), (1e-3, 1e-3)])
def test_equals_the_formula_on_the_valid_points(width: float, curvature: float) -> None:
    error = (PRED.double() - TARGET.double())[VALID.expand_as(PRED)].numpy()
    loss = wing_loss(PRED, TARGET, VALID, width, curvature)
    assert loss.item() == pytest.approx(by_hand(error, width, curvature), rel=1e-5)


def test_the_defaults_are_the_papers_in_a_picture_of_256_pixels() -> None:
    in_pixels = 256 * (PRED.double() - TARGET.double()).numpy()
    expected = by_hand(in_pixels, 10, 2) / 256
    assert wing_loss(PRED, TARGET).item() == pytest.approx(expected, rel=1e-5)


def test_a_small_error_pulls_more_strongly_than_a_large_one() -> None:
    pred = torch.tensor([[1e-4, 0.02, 0.5]]).requires_grad_()
    wing_loss(pred, torch.zeros(1, 3)).backward()
    small, middle, large = (3 * pred.grad[0]).tolist()
    assert small == pytest.approx(5, rel=0.02)
    assert small > middle > large == pytest.approx(1)
