from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional import mean_squared_error

from cnnlib.losses import l1_loss, mse_loss, rmse_loss


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-3, 1e3))
def test_equal_torch_on_the_valid_pixels(seed: int, size: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    pred = size * torch.randn(2, 1, 4, 5, generator=generator)
    target = size * torch.randn(2, 1, 4, 5, generator=generator)
    valid = torch.rand(2, 1, 4, 5, generator=generator) > 0.4
    valid[0, 0, 0, 0] = True
    torch.testing.assert_close(l1_loss(pred, target, valid), F.l1_loss(pred[valid], target[valid]))
    torch.testing.assert_close(mse_loss(pred, target, valid), F.mse_loss(pred[valid], target[valid]))
    expected = mean_squared_error(pred[valid], target[valid], squared=False)
    torch.testing.assert_close(rmse_loss(pred, target, valid), expected)


def test_rmse_has_a_gradient_of_length_one_over_root_n_until_the_error_is_gone() -> None:
    target = torch.ones(1, 1, 4, 4)
    for error, length in ((1.0, 0.25), (1e-6, 0.25), (0.0, 0.0)):
        pred = (target + error).requires_grad_()
        rmse_loss(pred, target).backward()
        torch.testing.assert_close(pred.grad.norm(), torch.tensor(length))
