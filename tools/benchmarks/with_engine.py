"""The same mask trained by the library, as a configuration asks for it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from cnnlib.assembly import make_loaders, make_trainer, open_data
from cnnlib.config import ExperimentConfig, parse_suite
from cnnlib.reporting.progress import SilentProgress
from tools.benchmarks.recipe import LEARNING_RATE, Finished, Recipe


class EpochClock(SilentProgress):
    """When training began, and when each epoch was over, its validation and checkpoints included."""

    def start(self, epochs: int, steps: int, done: int) -> None:
        self.times = [time.perf_counter()]

    def epoch_done(self, numbers: Mapping[str, float]) -> None:
        self.times.append(time.perf_counter())


def config(recipe: Recipe) -> ExperimentConfig:
    suite = {
        "name": "benchmark",
        "seeds": [0],
        "dataset": {"name": "scenes", **recipe.scenes},
        "model": {"name": "multi_task", "encoder": "resnet18", "decoder": "unet"},
        "tasks": {"mask": {"loss": "bce"}},
        "optimizer": {"name": "adamw", "learning_rate": LEARNING_RATE},
        "schedule": "one_cycle",
        "training": {
            "epochs": recipe.epochs,
            "batch_size": recipe.batch_size,
            "workers": recipe.workers,
            "precision": recipe.precision,
        },
    }
    return parse_suite(suite).experiments["benchmark"]


def train(recipe: Recipe, seed: int, folder: Path) -> Finished:
    options = config(recipe)
    data = open_data(options, seed)
    clock = EpochClock()
    trainer = make_trainer(options, data, seed, folder, clock)
    loaders = make_loaders(options, data, seed)
    state = trainer.fit(loaders.train, loaders.val)
    return Finished(trainer.model.module, clock.times, state.history[-1]["val/mask/iou"])
