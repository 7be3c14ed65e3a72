"""Which number format trains fastest here without losing the result."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["32-true", "bf16-mixed"]


def best_precision(device: torch.device) -> Precision:
    """bf16 where the hardware multiplies it faster than float32, else float32.

    On a CPU that takes AMX or AVX-512 BF16: elsewhere torch emulates bf16, several times slower than float32.
    """
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if device.type == "cpu":
        quick = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
        return "bf16-mixed" if quick else "32-true"
    return "32-true"
