from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight

from cnnlib.losses import CrossEntropyLoss, bce_loss, cross_entropy_loss
from cnnlib.types import CnnlibError

LOGITS = 3 * torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(0, 5, (2, 6, 7), generator=torch.Generator().manual_seed(1))
VALID = torch.rand(2, 6, 7, generator=torch.Generator().manual_seed(2)) > 0.3


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.6])
def test_equals_torch_with_an_ignored_class_for_what_is_not_valid(label_smoothing: float) -> None:
    ignored = torch.where(VALID, TARGET, 255)
    expected = F.cross_entropy(LOGITS, ignored, ignore_index=255, label_smoothing=label_smoothing)
    torch.testing.assert_close(cross_entropy_loss(LOGITS, TARGET, VALID, label_smoothing), expected)


def test_of_one_label_for_each_image_equals_torch() -> None:
    logits, target, valid = LOGITS[:, :, 0].mT.flatten(0, 1), TARGET[:, 0].flatten(), VALID[:, 0].flatten()
    expected = F.cross_entropy(logits[valid], target[valid])
    torch.testing.assert_close(cross_entropy_loss(logits, target, valid), expected)


def test_two_classes_are_bce_on_the_difference_of_their_logits() -> None:
    target = (TARGET > 2).long()
    expected = bce_loss(LOGITS[:, 1] - LOGITS[:, 0], target.float())
    torch.testing.assert_close(cross_entropy_loss(LOGITS[:, :2], target), expected)


def test_classes_may_come_as_any_kind_of_number() -> None:
    loss = cross_entropy_loss(LOGITS, TARGET)
    for dtype in (torch.uint8, torch.int32, torch.float32):
        assert cross_entropy_loss(LOGITS, TARGET.to(dtype)) == loss


def test_the_target_has_no_axis_of_classes() -> None:
    with pytest.raises(ValueError, match="one shape, but for the classes along axis 1"):
        cross_entropy_loss(LOGITS, TARGET[:, None])


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_class_weights_are_those_of_torch(label_smoothing: float) -> None:
    weights = [0.5, 0.0, 2.0, 1.0, 7.0]
    ignored = torch.where(VALID, TARGET, 255)
    expected = F.cross_entropy(
        LOGITS, ignored, torch.tensor(weights), ignore_index=255, label_smoothing=label_smoothing
    )
    loss = CrossEntropyLoss(label_smoothing, weights)
    torch.testing.assert_close(loss(LOGITS, TARGET, VALID), expected)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = torch.tensor([0] * 70 + [1] * 20 + [3] * 10)
    loss = CrossEntropyLoss(class_weights="balanced")
    with pytest.raises(RuntimeError, match="prepare"):
        loss(LOGITS, TARGET)
    loss.prepare(labels.split(7))
    present = [0, 1, 3]
    weights = torch.zeros(5)
    weights[present] = torch.tensor(
        compute_class_weight("balanced", classes=np.array(present), y=labels.numpy())
    ).float()
    shown = torch.isin(TARGET, torch.tensor(present))
    expected = F.cross_entropy(LOGITS, torch.where(shown, TARGET, 255), weights, ignore_index=255)
    torch.testing.assert_close(loss(LOGITS, TARGET, shown), expected)


def test_weights_that_cannot_work_are_refused() -> None:
    with pytest.raises(CnnlibError, match="needs at least two classes"):
        CrossEntropyLoss(class_weights="balanced").prepare([torch.zeros(4)])
    with pytest.raises(CnnlibError, match="above 0"):
        CrossEntropyLoss(class_weights=[0.0, 0.0])
    with pytest.raises(ValueError, match="one number for each of the 5 classes; it has 2"):
        CrossEntropyLoss(class_weights=[1.0, 2.0])(LOGITS, TARGET)
