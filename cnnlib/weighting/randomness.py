"""What is random in a weighting follows the step, not the order of execution."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cnnlib.seeds import derived_seed
from cnnlib.types import TrainingStep


def step_seed(step: TrainingStep) -> int:
    """Different steps have unrelated seeds."""
    return derived_seed(step.seed, step.epoch, step.index)


@contextmanager
def seeded(step: TrainingStep, device: torch.device) -> Iterator[None]:
    """Torch's generators, of the CPU and of ``device``, under the step's seed; afterwards as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(step_seed(step))
        yield
