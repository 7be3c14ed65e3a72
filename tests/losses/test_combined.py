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
from cnnlib.types import CnnlibError, LossInputs

LOGITS = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
TARGET = (torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1)) > 0.6).float()
VALID = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(2)) > 0.3
IMAGE = torch.rand(2, 6, 8, 8, generator=torch.Generator().manual_seed(3))


class Inputs:
    """What a mask task gives, and what was asked for."""

    def __init__(self, logits: torch.Tensor = LOGITS) -> None:
        self.logits = logits
        self.asked: list[str] = []

    def __call__(self, values: str) -> LossInputs:
        self.asked.append(values)
        return LossInputs(self.logits if values == "logits" else self.logits.sigmoid(), TARGET, VALID)


def test_is_the_weighted_sum_and_gives_each_term_what_it_compares() -> None:
    pred = LOGITS.sigmoid()
    combined = CombinedLoss(
        {
            "bce": (BCELoss(), 1.0, "logits"),
            "dice": (DiceLoss(), 0.5, "probabilities"),
            "smooth": (SmoothnessLoss(), 2, "lengths"),
        }
    )
    total, terms = combined(Inputs(), IMAGE)
    expected = {
        "bce": bce_loss(LOGITS, TARGET, VALID),
        "dice": dice_loss(pred, TARGET, VALID),
        "smooth": smoothness_loss(pred, TARGET, VALID, image=IMAGE),
    }
    assert terms == expected
    assert list(terms) == ["bce", "dice", "smooth"]
    torch.testing.assert_close(total, expected["bce"] + 0.5 * expected["dice"] + 2 * expected["smooth"])


def test_asks_once_for_what_several_terms_compare() -> None:
    inputs = Inputs()
    terms = {name: (loss(), 1.0, "probabilities") for name, loss in (("dice", DiceLoss), ("l1", L1Loss))} | {
        "bce": (BCELoss(), 1.0, "logits")
    }
    CombinedLoss(terms)(inputs, IMAGE)
    assert inputs.asked == ["probabilities", "logits"]


def test_the_gradient_is_that_of_the_sum_and_the_logged_terms_hold_no_graph() -> None:
    logits = LOGITS.clone().requires_grad_()
    combined = CombinedLoss({"bce": (BCELoss(), 0.0, "logits"), "l1": (L1Loss(), 3.0, "probabilities")})
    total, terms = combined(Inputs(logits), IMAGE)
    assert not any(term.requires_grad for term in terms.values())
    (slope,) = torch.autograd.grad(total, logits)
    (expected,) = torch.autograd.grad(3 * l1_loss(logits.sigmoid(), TARGET, VALID), logits)
    torch.testing.assert_close(slope, expected)


def test_one_loss_is_a_sum_too() -> None:
    total, terms = CombinedLoss({"l1": (L1Loss(), 1.0, "probabilities")})(Inputs(), IMAGE)
    assert total == terms["l1"] == l1_loss(LOGITS.sigmoid(), TARGET, VALID)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_refuses_a_weight_that_is_none(weight: float) -> None:
    terms = {"bce": (BCELoss(), 1.0, "logits"), "l1": (L1Loss(), weight, "probabilities")}
    with pytest.raises(
        CnnlibError, match=f"the weight of loss 'l1' must be a number of at least 0; it is {weight}"
    ):
        CombinedLoss(terms)


def test_refuses_no_terms() -> None:
    with pytest.raises(CnnlibError, match="at least one term; it has none"):
        CombinedLoss({})


def test_a_term_may_be_called_by_a_dotted_path() -> None:
    """As outside code is; PyTorch's own containers refuse such names."""
    _, terms = CombinedLoss({"my.losses.Mine": (L1Loss(), 1.0, "probabilities")})(Inputs(), IMAGE)
    assert list(terms) == ["my.losses.Mine"]


def test_its_losses_are_modules_of_it() -> None:
    """So that a loss with parameters of its own is moved, saved and trained."""

    class Scaled(L1Loss):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

    combined = CombinedLoss({"my.Scaled": (Scaled(), 1.0, "probabilities")})
    assert len(list(combined.parameters())) == 1
