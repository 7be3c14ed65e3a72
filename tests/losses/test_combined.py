from __future__ import annotations

import pytest
import torch

from cnnlib.losses import (
    BCELoss,
    CombinedLoss,
    DiceLoss,
    L1Loss,
    SmoothnessLoss,
    bce_loss,
    dice_loss,
    l1_loss,
    smoothness_loss,
)
from cnnlib.types import CnnlibError

LOGITS = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
TARGET = (torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1)) > 0.6).float()
VALID = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(2)) > 0.3
IMAGE = torch.rand(2, 6, 8, 8, generator=torch.Generator().manual_seed(3))


def test_is_the_weighted_sum_and_gives_each_term_what_it_asks_for() -> None:
    pred = LOGITS.sigmoid()
    combined = CombinedLoss(
        {"bce": (BCELoss(), 1.0), "dice": (DiceLoss(), 0.5), "smooth": (SmoothnessLoss(), 2)}
    )
    total, terms = combined(LOGITS, pred, TARGET, VALID, IMAGE)
    expected = {
        "bce": bce_loss(LOGITS, TARGET, VALID),
        "dice": dice_loss(pred, TARGET, VALID),
        "smooth": smoothness_loss(pred, TARGET, VALID, image=IMAGE),
    }
    assert terms == expected
    assert list(terms) == ["bce", "dice", "smooth"]
    torch.testing.assert_close(total, expected["bce"] + 0.5 * expected["dice"] + 2 * expected["smooth"])


def test_the_gradient_is_that_of_the_sum_and_the_logged_terms_hold_no_graph() -> None:
    logits = LOGITS.clone().requires_grad_()
    combined = CombinedLoss({"bce": (BCELoss(), 0.0), "l1": (L1Loss(), 3.0)})
    total, terms = combined(logits, logits.sigmoid(), TARGET)
    assert not any(term.requires_grad for term in terms.values())
    (slope,) = torch.autograd.grad(total, logits)
    (expected,) = torch.autograd.grad(3 * l1_loss(logits.sigmoid(), TARGET), logits)
    torch.testing.assert_close(slope, expected)


def test_one_loss_is_a_sum_too() -> None:
    total, terms = CombinedLoss({"l1": (L1Loss(), 1.0)})(LOGITS, LOGITS.sigmoid(), TARGET)
    assert total == terms["l1"] == l1_loss(LOGITS.sigmoid(), TARGET)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_refuses_a_weight_that_is_none(weight: float) -> None:
    with pytest.raises(CnnlibError, match=f"the weight of loss 'l1' must be at least 0; it is {weight}"):
        CombinedLoss({"bce": (BCELoss(), 1.0), "l1": (L1Loss(), weight)})


def test_refuses_no_terms() -> None:
    with pytest.raises(CnnlibError, match="at least one term; it has none"):
        CombinedLoss({})


def test_says_which_term_lacks_the_image() -> None:
    combined = CombinedLoss({"calm": (SmoothnessLoss(), 1.0)})
    with pytest.raises(ValueError, match="loss 'calm' needs the image"):
        combined(LOGITS, LOGITS, TARGET)


def test_a_term_may_be_called_by_a_dotted_path() -> None:
    """As outside code is; PyTorch's own containers refuse such names."""
    _, terms = CombinedLoss({"my.losses.Mine": (L1Loss(), 1.0)})(LOGITS, LOGITS.sigmoid(), TARGET)
    assert list(terms) == ["my.losses.Mine"]
