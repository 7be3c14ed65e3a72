"""Training a part of the encoder: its first stages are frozen, and thawed by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from cnnlib.types import CnnlibError


@dataclass(frozen=True)
class Freezing:
    """Which stages of an encoder are trained in which epoch.

    Args:
        stages: of the encoder, from the image to the bottom.
        trained: from epoch (1 among them) to the number of stages, the last ones, that are trained from its beginning;
            ``None`` is all.

    Raises:
        CnnlibError: more stages would be trained than there are.
    """

    stages: Sequence[nn.Module]
    trained: Mapping[int, int | None]

    def __post_init__(self) -> None:
        most = max(count or 0 for count in self.trained.values())
        if most > len(self.stages):
            raise CnnlibError(
                f"freeze: {most} stages would be trained, and the encoder has {len(self.stages)}; say all, or at most "
                "that many"
            )

    def apply(self, epoch: int) -> None:
        """Freezes and thaws for an epoch; call it after ``model.train()``.

        What is frozen has no gradient, so that the optimizer passes over it (no weight decay, no momentum), and is in
        evaluation mode, so that batch normalisation keeps its statistics and dropout does nothing.
        """
        count = self.trained[max(step for step in self.trained if step <= epoch)]
        frozen = 0 if count is None else len(self.stages) - count
        for index, stage in enumerate(self.stages):
            stage.requires_grad_(index >= frozen)
            stage.train(index >= frozen)


def encoder_stages(model: nn.Module, option: str) -> list[nn.Module]:
    """Of ``model.encoder``, from the image to the bottom.

    Raises:
        CnnlibError: there are none; it names the ``option`` that asked.
    """
    stages = getattr(getattr(model, "encoder", None), "stages", None)
    if stages is None:
        raise CnnlibError(
            f"{option} needs a model with an attribute encoder that has stages, a list of modules from the image to "
            f"the bottom; {type(model).__name__} has none: leave {option} out, or take another model"
        )
    return list(stages)
