"""Shake-Shake: two branches, mixed by chance in training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class ShakeShake(nn.Module):
    """Mixes two branches of a residual block, two tensors (B, ...) of one shape, into one of that shape.

    In training it gives ``alpha * a + (1 - alpha) * b``, and the backward pass uses ``beta`` in place of ``alpha``.
    Both are uniform in [0, 1) and are drawn from PyTorch's global generator, for every image and at every call (the
    paper's "Shake-Shake-Image"). In evaluation both are 0.5.

    Source: Gastaldi, Shake-Shake regularization, 2017 (arXiv:1705.07485)
    """

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        if not self.training:
            return (a + b) / 2
        one_per_image = (len(a), *[1] * (a.ndim - 1))
        # Beta is drawn here and not in the backward pass, so that each of several backward passes sees the same.
        alpha, beta = torch.rand(2, *one_per_image, dtype=a.dtype, device=a.device)
        return shake(a, b, alpha, beta)


def shake(a: Tensor, b: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """``alpha * a + (1 - alpha) * b``, whose gradient is that of ``beta * a + (1 - beta) * b``.

    ``alpha`` and ``beta`` get no gradient; they have one element per image, and 1 along the other axes.
    """
    return _Shake.apply(a, b, alpha, beta)


class _Shake(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        ctx.save_for_backward(beta)
        return torch.lerp(b, a, alpha)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (beta,) = ctx.saved_tensors
        return grad * beta, grad * (1 - beta), None, None
