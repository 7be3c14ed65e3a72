from __future__ import annotations

import pytest
import torch
from segmentation_models_pytorch import losses as smp
from torch import Tensor

from cnnlib.losses import (
    DiceLoss,
    FocalTverskyLoss,
    JaccardLoss,
    TverskyLoss,
    dice_loss,
    focal_tversky_loss,
    jaccard_loss,
    tversky_loss,
)

PRED = torch.rand(3, 1, 12, 10, generator=torch.Generator().manual_seed(0))
TARGET = (torch.rand(3, 1, 12, 10, generator=torch.Generator().manual_seed(1)) > 0.7).float()
VALID = torch.rand(3, 1, 12, 10, generator=torch.Generator().manual_seed(2)) > 0.3


def image_by_image(oracle: torch.nn.Module, pred: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """SMP pools the batch and has no valid mask, so it gets the valid pixels of one image at a time."""
    values = [
        oracle(p[inside].view(1, 1, -1, 1), t[inside].view(1, 1, -1, 1))
        for p, t, inside in zip(pred, target, valid, strict=True)
    ]
    return torch.stack(values).mean()


@pytest.mark.parametrize("smooth", [0.01, 1.0, 7.0])
def test_equal_segmentation_models_pytorch(smooth: float) -> None:
    options = {"mode": "binary", "from_logits": False, "smooth": smooth}
    for ours, theirs in (
        (dice_loss, smp.DiceLoss(**options)),
        (jaccard_loss, smp.JaccardLoss(**options)),
        (tversky_loss, smp.TverskyLoss(alpha=0.3, beta=0.7, **options)),
    ):
        expected = image_by_image(theirs, PRED, TARGET, VALID)
        torch.testing.assert_close(ours(PRED, TARGET, VALID, smooth=smooth), expected)


@pytest.mark.parametrize("gamma", [1.7, 0.8])
def test_focal_tversky_equals_segmentation_models_pytorch(gamma: float) -> None:
    """Which raises to ``gamma`` where the paper, and we, raise to its inverse."""
    oracle = smp.TverskyLoss("binary", from_logits=False, smooth=1.0, alpha=0.2, beta=0.9, gamma=1 / gamma)
    expected = image_by_image(oracle, PRED, TARGET, VALID)
    loss = focal_tversky_loss(PRED, TARGET, VALID, alpha=0.2, beta=0.9, gamma=gamma, smooth=1.0)
    torch.testing.assert_close(loss, expected)


def test_dice_of_a_known_overlap() -> None:
    pred, target = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    pred[..., :3, :2] = 1  # 6 pixels
    target[..., 1:, :2] = 1  # 6 pixels, 4 of them common
    assert dice_loss(pred, target, smooth=1e-6).item() == pytest.approx(1 - 2 * 4 / 12, abs=1e-5)
    assert jaccard_loss(pred, target, smooth=1e-6).item() == pytest.approx(1 - 4 / 8, abs=1e-5)


def test_tversky_prices_false_alarms_and_misses() -> None:
    half = torch.zeros(1, 1, 4, 4)
    half[..., :2] = 1
    empty, full = torch.zeros_like(half), torch.ones_like(half)
    assert tversky_loss(full, half, alpha=0.1, beta=0.9) < tversky_loss(full, half, alpha=0.9, beta=0.1)
    assert tversky_loss(empty, half, alpha=0.1, beta=0.9) > tversky_loss(empty, half, alpha=0.9, beta=0.1)


def test_each_image_counts_alike() -> None:
    losses = [dice_loss(PRED[i : i + 1], TARGET[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(dice_loss(PRED, TARGET), torch.stack(losses).mean())


@pytest.mark.parametrize("loss", [DiceLoss(), JaccardLoss(), TverskyLoss(), FocalTverskyLoss()])
def test_an_empty_mask_teaches_to_predict_nothing(loss: torch.nn.Module) -> None:
    empty = torch.zeros(1, 1, 4, 4)
    assert loss(empty, empty) == 0
    guess = torch.full_like(empty, 0.3).requires_grad_()
    loss(guess, empty).backward()
    assert (guess.grad > 0).all()
