from __future__ import annotations

import torch
import torch.nn.functional as F

from cnnlib.losses import bce_loss, cross_entropy_loss

LOGITS = 3 * torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(0, 5, (2, 1, 6, 7), generator=torch.Generator().manual_seed(1))
VALID = torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(2)) > 0.3


def test_equals_torch_with_an_ignored_class_for_what_is_not_valid() -> None:
    expected = F.cross_entropy(LOGITS, torch.where(VALID, TARGET, 255)[:, 0], ignore_index=255)
    torch.testing.assert_close(cross_entropy_loss(LOGITS, TARGET, VALID), expected)


def test_two_classes_are_bce_on_the_difference_of_their_logits() -> None:
    target = (TARGET > 2).long()
    expected = bce_loss(LOGITS[:, 1:2] - LOGITS[:, :1], target.float())
    torch.testing.assert_close(cross_entropy_loss(LOGITS[:, :2], target), expected)


def test_classes_may_come_as_any_kind_of_number() -> None:
    loss = cross_entropy_loss(LOGITS, TARGET)
    for dtype in (torch.uint8, torch.int32, torch.float32):
        assert cross_entropy_loss(LOGITS, TARGET.to(dtype)) == loss
