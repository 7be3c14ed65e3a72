"""The geometric mean of the losses."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cnnlib.types import TrainingStep
from cnnlib.weighting.base import Weighting, check_not_negative

_LEAST = 1e-12  # a loss of 0 would give weights without bounds


class GeometricLoss(Weighting):
    """Geometric loss strategy: minimised is the geometric mean of the losses.

    With this mean G and the losses L of n tasks the weights are G / (n L). The unit of a loss, and so its weight in the
    configuration, moves no task against another. Losses must be at least 0.

    Source: Chennupati, Sistu, Yogamani and Rawashdeh, "MultiNet++", CVPR Workshops 2019.
    """

    reads_losses = True
    weighs_by_losses = True

    def weights(self, step: TrainingStep) -> Mapping[str, float]:
        check_not_negative(step.losses, "gls")
        losses = {name: max(step.losses[name], _LEAST) for name in step.tasks}
        count = len(losses)
        mean = math.exp(sum(map(math.log, losses.values())) / max(1, count))
        return {name: mean / (count * loss) for name, loss in losses.items()}
