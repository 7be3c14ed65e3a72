"""Two processes on the CPU (DDP over gloo), each with a batch of its own in every step."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from lightning_fabric import Fabric

from cnnlib.types import Batch
from cnnlib.weighting import WEIGHTINGS
from tests.weighting.tiny import TASKS, make_batch, make_trainer, parameters, take_step

BATCHES: list[tuple[Batch, Batch]] = [
    (make_batch(range(4)), make_batch(range(4, 8))),
    (make_batch(range(8, 12)), make_batch(range(12, 16), without=("depth",))),
    (make_batch(range(16, 20), without=("mask",)), make_batch(range(20, 24), without=("mask",))),
    (make_batch(range(24, 28)), make_batch(range(28, 32))),
]
"""By step: the first process's batch and the second's. One has no label in one of them, one in neither."""


def train(fabric: Fabric, folder: str) -> None:
    """Saves the parameters that each weighting ends with, as this process has them."""
    warnings.simplefilter("ignore")
    found = {}
    for name in WEIGHTINGS:
        trainer = make_trainer(Path(folder), WEIGHTINGS[name](tuple(TASKS)), fabric=fabric)
        for index, batches in enumerate(BATCHES):
            take_step(trainer, [batches[fabric.global_rank]], index)
        found[name] = parameters(trainer)
    torch.save(found, Path(folder) / f"{fabric.global_rank}.pt")
    fabric.barrier()


def launch(folder: Path) -> None:
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp_spawn")
    fabric.launch(train, str(folder))
