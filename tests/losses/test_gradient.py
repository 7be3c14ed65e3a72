from __future__ import annotations

import numpy as np
import pytest
import torch
from kornia.losses import inverse_depth_smoothness_loss

from cnnlib.losses import (
    SmoothnessLoss,
    gradient_loss,
    multi_scale_gradient_loss,
    smoothness_loss,
)

PRED = torch.randn(2, 1, 13, 18, generator=torch.Generator().manual_seed(0))
TARGET = torch.randn(2, 1, 13, 18, generator=torch.Generator().manual_seed(1))
VALID = torch.rand(2, 1, 13, 18, generator=torch.Generator().manual_seed(2)) > 0.2
IMAGE = torch.rand(2, 6, 13, 18, generator=torch.Generator().manual_seed(3))


def test_equals_kornia_on_a_flat_image() -> None:
    """Without edges in the image, kornia's smoothness of the error is the gradient loss."""
    flat = torch.zeros(2, 3, 13, 18)
    torch.testing.assert_close(
        gradient_loss(PRED, TARGET), inverse_depth_smoothness_loss(PRED - TARGET, flat)
    )


def test_valid_pairs_equal_the_formula_at_every_scale() -> None:
    expected = 0.0
    error = np.where(VALID, (PRED - TARGET).double(), np.nan)  # NaN spoils each pair that it is in
    for step in (1, 2, 4):
        for axis in (2, 3):
            expected += np.nanmean(np.abs(np.diff(error[:, :, ::step, ::step], axis=axis)))
    loss = multi_scale_gradient_loss(PRED, TARGET, VALID, scales=3)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_an_offset_is_free_and_a_tilt_is_not() -> None:
    offset = gradient_loss(TARGET + 3, TARGET)
    tilt = gradient_loss(TARGET + torch.arange(18.0), TARGET)
    assert offset < 1e-6
    assert tilt.item() == pytest.approx(1.0, rel=1e-6)


def test_a_tilt_costs_the_step_at_each_scale() -> None:
    tilted = TARGET.double() + torch.arange(18.0, dtype=torch.float64)
    loss = multi_scale_gradient_loss(tilted, TARGET.double(), scales=4)
    assert loss.item() == pytest.approx(1 + 2 + 4 + 8)


def test_scales_that_the_image_has_no_room_for_add_nothing() -> None:
    loss = multi_scale_gradient_loss(PRED, TARGET, scales=5)
    assert multi_scale_gradient_loss(PRED, TARGET, scales=20) == loss


@pytest.mark.parametrize("edge_weight", [0.0, 1.0, 10.0])
def test_smoothness_equals_kornia(edge_weight: float) -> None:
    expected = inverse_depth_smoothness_loss(PRED, edge_weight * IMAGE)
    loss = smoothness_loss(PRED, TARGET, edge_weight=edge_weight, image=IMAGE)
    torch.testing.assert_close(loss, expected)


def test_smoothness_with_a_valid_mask_equals_the_formula() -> None:
    expected = 0.0
    pred = np.where(VALID, PRED.double(), np.nan)
    for axis in (2, 3):
        edge = np.abs(np.diff(IMAGE.double().numpy(), axis=axis)).mean(axis=1, keepdims=True)
        expected += np.nanmean(np.abs(np.diff(pred, axis=axis)) * np.exp(-10 * edge))
    loss = smoothness_loss(PRED, TARGET, VALID, image=IMAGE)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_a_depth_edge_costs_less_on_an_edge_of_the_image() -> None:
    pred, image = torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 8, 8)
    pred[..., 4:] = 1
    image[..., 4:] = 1
    on_edge, elsewhere = (
        SmoothnessLoss()(pred, pred, image=image),
        SmoothnessLoss()(pred, pred, image=0 * image),
    )
    assert on_edge < 1e-3 * elsewhere


def test_smoothness_needs_an_image_of_the_same_size() -> None:
    with pytest.raises(ValueError, match="image must have the prediction's batch, height and width"):
        smoothness_loss(PRED, TARGET, image=IMAGE[..., 1:])
