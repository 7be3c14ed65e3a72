"""For last layers that give numbers: bfloat16 would round a coordinate to about 1/300 of the picture."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn


def without_autocast(x: Tensor) -> AbstractContextManager[None]:
    """Inside, what is computed on the device of ``x`` keeps its precision."""
    # PyTorch has no autocast for "meta", on which shapes are computed.
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


class FullPrecisionLinear(nn.Linear):
    """A linear layer in its weights' precision, also under autocast: (..., in) -> (..., out)."""

    def forward(self, x: Tensor) -> Tensor:
        with without_autocast(x):
            return super().forward(x.to(self.weight.dtype))
