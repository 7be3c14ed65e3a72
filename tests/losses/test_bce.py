from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from segmentation_models_pytorch.losses import FocalLoss as SMPFocalLoss

from cnnlib.losses import BCELoss, WeightedBCELoss, bce_loss, focal_loss, weighted_bce_loss
from cnnlib.types import CnnlibError

LOGITS = 3 * torch.randn(2, 1, 12, 10, generator=torch.Generator().manual_seed(0))
TARGET = (torch.rand(2, 1, 12, 10, generator=torch.Generator().manual_seed(1)) > 0.7).float()


def test_bce_is_the_logarithm_of_the_true_labels_probability() -> None:
    prob = LOGITS.double().sigmoid().numpy()
    target = TARGET.double().numpy()
    expected = -(target * np.log(prob) + (1 - target) * np.log(1 - prob)).mean()
    assert bce_loss(LOGITS, TARGET).item() == pytest.approx(expected, rel=1e-6)


def test_bce_and_its_weighted_form_equal_torch() -> None:
    torch.testing.assert_close(BCELoss()(LOGITS, TARGET), F.binary_cross_entropy_with_logits(LOGITS, TARGET))
    expected = F.binary_cross_entropy_with_logits(LOGITS, TARGET, pos_weight=torch.tensor(2.5))
    torch.testing.assert_close(weighted_bce_loss(LOGITS, TARGET, pos_weight=2.5), expected)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_equals_segmentation_models_pytorch(gamma: float, alpha: float | None) -> None:
    expected = SMPFocalLoss("binary", alpha=alpha, gamma=gamma)(LOGITS, TARGET)
    torch.testing.assert_close(focal_loss(LOGITS, TARGET, gamma=gamma, alpha=alpha), expected)


def test_focal_with_gamma_zero_is_bce() -> None:
    torch.testing.assert_close(focal_loss(LOGITS, TARGET, gamma=0.0), bce_loss(LOGITS, TARGET))


def test_focal_counts_easy_pixels_less_the_higher_gamma_is() -> None:
    easy = 2 * (2 * TARGET - 1)
    losses = [focal_loss(easy, TARGET, gamma=gamma).item() for gamma in (0.0, 1.0, 2.0, 4.0)]
    assert losses == sorted(losses, reverse=True)


def test_balanced_is_background_over_foreground_of_all_targets() -> None:
    loss = WeightedBCELoss()
    loss.prepare([torch.tensor([1.0, 0.0, 0.0]), torch.tensor([[0.0, 0.0], [1.0, torch.nan]])])
    assert loss.pos_weight == 4 / 2
    torch.testing.assert_close(loss(LOGITS, TARGET), weighted_bce_loss(LOGITS, TARGET, pos_weight=2.0))


def test_balanced_weights_both_classes_alike() -> None:
    """A prediction that says nothing has no reason to move to either side."""
    loss = WeightedBCELoss()
    loss.prepare([TARGET])
    undecided = torch.zeros_like(TARGET).requires_grad_()
    loss(undecided, TARGET).backward()
    assert undecided.grad.sum().abs() < 1e-6 < undecided.grad.abs().sum()


def test_a_given_weight_does_not_look_at_the_targets() -> None:
    def targets() -> Iterator[torch.Tensor]:
        raise AssertionError("looked")
        yield

    WeightedBCELoss(pos_weight=2.0).prepare(targets())
    BCELoss().prepare(targets())


@pytest.mark.parametrize("targets", [[], [torch.zeros(4)], [torch.ones(4), torch.ones(2)]])
def test_balanced_needs_both_classes(targets: list[torch.Tensor]) -> None:
    with pytest.raises(CnnlibError, match="needs both classes in the training targets"):
        WeightedBCELoss("balanced").prepare(targets)


def test_balanced_must_be_prepared() -> None:
    with pytest.raises(RuntimeError, match="call prepare"):
        WeightedBCELoss()(LOGITS, TARGET)
