from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cnnlib.losses import bce_loss, cross_entropy_loss

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
