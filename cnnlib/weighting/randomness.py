"""What is random in a weighting follows the step, not the order of execution."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from cnnlib.types import TrainingStep


def step_seed(step: TrainingStep) -> int:
    """A 63-bit seed from the run's seed, the epoch and the step's index; different steps have unrelated seeds."""
    path = (step.seed, step.epoch, step.index)
    return int(np.random.SeedSequence(path).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def seeded(step: TrainingStep, device: torch.device) -> Iterator[None]:
    """Torch's generators, of the CPU and of ``device``, under the step's seed; afterwards as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(step_seed(step))
        yield
