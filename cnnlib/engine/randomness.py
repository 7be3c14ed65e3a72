"""The state of the random generators, to draw once more what was drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


def random_states(device: torch.device) -> list[Tensor]:
    """Of the CPU's generator, and of the device's own."""
    own = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *own]


@contextmanager
def drawn_again(states: Sequence[Tensor], device: torch.device) -> Iterator[None]:
    """Randomness from ``states`` on, and afterwards from where it was before."""
    before = random_states(device)
    _set(states, device)
    try:
        yield
    finally:
        _set(before, device)


def _set(states: Sequence[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    for state in states[1:]:
        torch.cuda.set_rng_state(state, device)
