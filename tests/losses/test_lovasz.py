from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from segmentation_models_pytorch.losses import LovaszLoss as SMPLovaszLoss

from cnnlib.losses import lovasz_loss


@given(st.integers(0, 10_000), st.floats(0, 1), st.integers(1, 40))
def test_equals_segmentation_models_pytorch(seed: int, foreground: float, pixels: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, 1, 1, pixels, generator=generator)
    target = (torch.rand(2, 1, 1, pixels, generator=generator) < foreground).float()
    expected = SMPLovaszLoss("binary", per_image=True)(logits[:, 0], target[:, 0])
    torch.testing.assert_close(lovasz_loss(logits, target), expected)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_valid_pixels_equal_segmentation_models_pytorch_without_the_others(seed: int, share: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(1, 1, 5, 6, generator=generator)
    target = (torch.rand(1, 1, 5, 6, generator=generator) < 0.3).float()
    valid = torch.rand(1, 1, 5, 6, generator=generator) < share
    valid[..., 0, 0] = True
    ignored = torch.where(valid, target, 255.0)
    expected = SMPLovaszLoss("binary", per_image=True, ignore_index=255)(logits[:, 0], ignored[:, 0])
    torch.testing.assert_close(lovasz_loss(logits, target, valid), expected)


def test_on_hard_decisions_it_is_the_jaccard_loss() -> None:
    """The extension meets the set function: hinges of 2 at the wrong pixels, of 0 at the right ones."""
    target = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]).view(1, 1, 2, 3)
    decided = torch.tensor([1.0, 1.0, -1.0, 1.0, -1.0, -1.0]).view(1, 1, 2, 3)
    torch.testing.assert_close(lovasz_loss(decided, target), torch.tensor(2 * (1 - 2 / 4)))
