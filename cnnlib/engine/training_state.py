"""Training state, and reading it from the checkpoints of a run that goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnlib.engine.checkpoint import load_checkpoint
from cnnlib.types import CnnlibError


@dataclass
class TrainingState:
    """Training state, saved with every checkpoint."""

    epoch: int = 0
    best_epoch: int = 0
    best_score: float = -math.inf
    best_loss: float = math.inf
    """The validation loss of the best epoch, which decides between equal scores: a coarse metric can stand still."""
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    def epochs_left(self, epochs: int, patience: int | None) -> int:
        """The most epochs that training still takes; 0 where it is over.

        Args:
            epochs: passes over the training split in all.
            patience: training stops after so many epochs without a better validation score.
        """
        if patience is not None and self.epoch - self.best_epoch >= patience:
            return 0
        return max(0, epochs - self.epoch)


class UnfitStateError(CnnlibError):
    """A checkpoint whose training state is not one of this run."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: its training state does not fit ({reason}); delete the run's folder to train it again"
        )


def load_last(folder: Path, net: str | None = None) -> tuple[Mapping[str, Any], TrainingState] | None:
    """What ``last.ckpt`` in ``folder`` holds, and the training state in it.

    ``None``: there is no ``last.ckpt``, and the run begins from its start.

    Args:
        net: which net the weights must be for; ``None``: any.

    Raises:
        DamagedCheckpointError: ``last.ckpt`` is damaged, or ``best.ckpt``, which no later epoch may replace. Training
            from the start gives both again.
        UnfitStateError: the state does not say how many epochs are completed.
        CnnlibError: a checkpoint cannot be read, or is of another net.
    """
    path = folder / "last.ckpt"
    if not path.exists():
        return None
    saved = load_checkpoint(path, net)
    load_checkpoint(folder / "best.ckpt", net)
    state = saved.get("state")
    if not (isinstance(state, dict) and all(type(state.get(key)) is int for key in ("epoch", "best_epoch"))):
        raise UnfitStateError(path, "it must hold the integers epoch and best_epoch")
    try:
        return saved, TrainingState(**state)
    except TypeError as error:
        raise UnfitStateError(path, str(error)) from None
