"""The learning rate that a run finds for itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cnnlib.assembly.data import ExperimentData, make_loaders
from cnnlib.assembly.training import make_trainer
from cnnlib.config import Component, ExperimentConfig
from cnnlib.engine.lr_finder import RangeTest, range_test
from cnnlib.engine.trainer import Trainer
from cnnlib.reporting.progress import SilentProgress


def finds_learning_rate(config: ExperimentConfig) -> bool:
    return config.optimizer.options.get("learning_rate") == "auto"


def find_learning_rate(
    config: ExperimentConfig,
    data: ExperimentData,
    seed: int,
    begin: Callable[[Trainer], None] = lambda trainer: None,
) -> RangeTest:
    """A range test on a model and batches of its own: what the seed's run would train first; nothing is written.

    Args:
        begin: brings a fresh trainer to where the run's training begins.

    Raises:
        CnnlibError: no learning rate makes the loss fall.
    """
    alone = config.model_copy(update={"schedule": Component(name="constant")})
    trainer = make_trainer(alone, data, seed, Path(), SilentProgress())
    begin(trainer)
    return range_test(trainer, make_loaders(config, data, seed).train)


def with_learning_rate(config: ExperimentConfig, rate: float) -> ExperimentConfig:
    """``config`` with that number in the place of ``auto``."""
    options = config.optimizer.options | {"learning_rate": rate}
    optimizer = config.optimizer.model_copy(update={"options": options})
    return config.model_copy(update={"optimizer": optimizer})
