from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from cnnlib.losses import bce_loss, boundary_loss

LOGITS = torch.randn(2, 1, 20, 24, generator=torch.Generator().manual_seed(0))
TARGET = torch.zeros(2, 1, 20, 24)
TARGET[0, :, 5:14, 6:15] = 1
TARGET[1, :, :, 10:] = 1


def by_hand(valid: np.ndarray, amplitude: float, radius: int) -> float:
    """The formula in float64, with SciPy's box filter."""
    weighted = total = 0.0
    for logits, target, inside in zip(
        LOGITS[:, 0].double().numpy(), TARGET[:, 0].numpy(), valid, strict=True
    ):

        def box(values: np.ndarray) -> np.ndarray:
            return ndimage.uniform_filter(values.astype(float), 2 * radius + 1, mode="constant")

        local = box(target * inside)[inside] / box(inside)[inside]
        weight = 1 + amplitude * np.abs(local - target[inside])
        bce = np.log1p(np.exp(-logits * (2 * target - 1)))[inside]
        weighted += (weight * bce).sum()
        total += weight.sum()
    return weighted / total


@pytest.mark.parametrize(("amplitude", "radius"), [(5.0, 7), (2.0, 1), (5.0, 40)])
def test_equals_the_formula(amplitude: float, radius: int) -> None:
    valid = torch.rand(TARGET.shape, generator=torch.Generator().manual_seed(2)) > 0.2
    for inside in (valid, torch.ones_like(valid)):
        loss = boundary_loss(LOGITS, TARGET, inside, amplitude, radius)
        assert loss.item() == pytest.approx(by_hand(inside[:, 0].numpy(), amplitude, radius), rel=1e-5)


def test_without_amplitude_it_is_bce() -> None:
    torch.testing.assert_close(boundary_loss(LOGITS, TARGET, amplitude=0.0), bce_loss(LOGITS, TARGET))


def test_a_mistake_costs_more_at_the_edge() -> None:
    slopes = torch.zeros_like(TARGET).requires_grad_()
    boundary_loss(slopes, TARGET, radius=2).backward()
    at_edge, inside, outside = slopes.grad[0, 0, 5, 6], slopes.grad[0, 0, 9, 10], slopes.grad[0, 0, 18, 20]
    assert at_edge.abs() > 3 * inside.abs()
    torch.testing.assert_close(inside.abs(), outside.abs())
