from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from cnnlib.losses import cosine_loss

PRED = 3 * torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(0))
TARGET = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(1))
VALID = torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(2)) > 0.3


def test_equals_torch_with_masks_of_one_and_of_all_channels() -> None:
    expected = 1 - F.cosine_similarity(PRED, TARGET, dim=1)[VALID[:, 0]].mean()
    torch.testing.assert_close(cosine_loss(PRED, TARGET, VALID), expected)
    torch.testing.assert_close(cosine_loss(PRED, TARGET, VALID.expand(2, 3, 6, 7)), expected)


@pytest.mark.parametrize("degrees", [0.01, 1, 60, 90, 180])
def test_of_a_known_angle(degrees: float) -> None:
    angle = math.radians(degrees)
    pred = torch.tensor([math.cos(angle), math.sin(angle), 0.0]).view(1, 3, 1, 1)
    target = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    assert cosine_loss(pred, target).item() == pytest.approx(2 * math.sin(angle / 2) ** 2, rel=1e-3)
