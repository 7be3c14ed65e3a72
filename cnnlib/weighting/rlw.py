"""Random weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from cnnlib.types import TrainingStep
from cnnlib.weighting.base import Weighting
from cnnlib.weighting.randomness import step_seed


class RandomLossWeighting(Weighting):
    """Random loss weighting: the softmax of normal noise, drawn anew in each step; the weights add up to 1.

    The noise follows (seed, epoch, step): the same after an interruption, and in every process.

    Source: Lin, Ye, Zhang and Tsang, "Reasonable Effectiveness of Random Weighting", TMLR 2022.
    """

    def weights(self, step: TrainingStep) -> Mapping[str, float]:
        generator = torch.Generator().manual_seed(step_seed(step))
        noise = torch.randn(len(self.tasks), dtype=torch.float64, generator=generator)
        drawn = dict(
            zip(self.tasks, noise, strict=True)
        )  # a missing label does not move the other tasks' noise
        weights = torch.softmax(torch.stack([drawn[name] for name in step.tasks]), 0) if step.tasks else noise
        return dict(zip(step.tasks, weights.tolist(), strict=False))
