"""Where a component's name is looked up, and what its constructor gets from the program.

The tables are imported when the first configuration is read, not with this package: they pull in torchvision
and much else that ``--help`` does not need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TypeAlias

from cnnlib.lookup import Factory

Tables: TypeAlias = Mapping[str, Mapping[str, Factory]]
"""``{room: {name: class or function}}``, with the rooms of ``ROOMS``."""


@dataclass(frozen=True)
class Room:
    """One kind of component.

    Attributes:
        what: its name in messages.
        module, table: where its table stands.
        injected: constructor arguments that the program gives; a configuration cannot.
        needs: attributes that the program reads; outside code is refused without them.
        base: the class that brings them.
    """

    what: str
    module: str
    table: str
    injected: frozenset[str] = frozenset()
    needs: tuple[str, ...] = ()
    base: str = ""


ROOMS: dict[str, Room] = {
    "dataset": Room("data set", "cnnlib.datasets", "DATASETS", needs=("image_names", "targets", "split")),
    "augmentation": Room("augmentation", "cnnlib.augmentations", "AUGMENTATIONS"),
    "model": Room("model", "cnnlib.models", "MODELS", frozenset({"in_channels", "outputs"})),
    "task": Room(
        "task", "cnnlib.tasks", "TASKS", needs=("kind", "default_loss", "decode"), base="cnnlib.tasks.Task"
    ),
    "loss": Room(
        "loss", "cnnlib.losses", "LOSSES", needs=("tasks", "on_logits", "prepare"), base="cnnlib.losses.Loss"
    ),
    "optimizer": Room("optimizer", "cnnlib.engine.optimizer", "OPTIMIZERS", frozenset({"parameters"})),
    "schedule": Room(
        "schedule", "cnnlib.engine.schedule", "SCHEDULES", frozenset({"optimizer", "total_steps"})
    ),
    "predictions": Room(
        "persister", "cnnlib.predictions", "PERSISTERS", frozenset({"out", "tasks", "image_names"})
    ),
}


@cache
def load_tables() -> Tables:
    """The library's own tables."""
    return {key: getattr(import_module(room.module), room.table) for key, room in ROOMS.items()}
