"""Where a component's name is looked up, and what its constructor gets from the program.

The tables are imported when the first configuration is read, not with this package: they pull in torchvision
and much else that ``--help`` does not need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, TypeAlias

import torch

from cnnlib.lookup import Factory
from cnnlib.types import TargetInfo

Tables: TypeAlias = Mapping[str, Mapping[str, Factory]]
"""``{registry: {name: class or function}}``, with the keys of ``REGISTRIES``."""


@dataclass(frozen=True)
class Registry:
    """One sort of component.

    Attributes:
        what: its name in messages.
        module, table: where its table stands.
        injected: constructor arguments that the program gives; a configuration cannot.
        stand_ins: values for these, where building is so cheap that a configuration is checked by it.
        needs: attributes that the program reads of the class; outside code is refused without them.
        base: the class that brings them.
    """

    what: str
    module: str
    table: str
    injected: tuple[str, ...] = ()
    stand_ins: Callable[[], dict[str, Any]] | None = None
    needs: tuple[str, ...] = ()
    base: str = ""


def _parameters() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.zeros(1))]


REGISTRIES: dict[str, Registry] = {
    "dataset": Registry("data set", "cnnlib.datasets", "DATASETS", needs=("split",)),
    "augmentation": Registry("augmentation", "cnnlib.augmentations", "AUGMENTATIONS", stand_ins=dict),
    "model": Registry("model", "cnnlib.models", "MODELS", injected=("in_channels", "heads")),
    "task": Registry(
        "task",
        "cnnlib.tasks",
        "TASKS",
        injected=("info",),
        stand_ins=lambda: {"info": TargetInfo("", names=("a", "b"))},
        needs=("kind", "default_loss", "decode", "loss_inputs", "metric"),
        base="cnnlib.tasks.Task",
    ),
    "loss": Registry(
        "loss",
        "cnnlib.losses",
        "LOSSES",
        stand_ins=dict,
        needs=("values", "compares", "prepare"),
        base="cnnlib.losses.Loss",
    ),
    "optimizer": Registry(
        "optimizer",
        "cnnlib.engine.optimizer",
        "OPTIMIZERS",
        injected=("parameters",),
        stand_ins=lambda: {"parameters": _parameters()},
    ),
    "schedule": Registry(
        "schedule",
        "cnnlib.engine.schedule",
        "SCHEDULES",
        injected=("optimizer", "total_steps"),
        stand_ins=lambda: {"optimizer": torch.optim.SGD(_parameters(), lr=1.0), "total_steps": 1000},
    ),
    "predictions": Registry(
        "persister", "cnnlib.predictions", "PERSISTERS", injected=("out", "tasks", "inputs")
    ),
}


@cache
def load_tables() -> Tables:
    """The library's own tables."""
    return {key: getattr(import_module(each.module), each.table) for key, each in REGISTRIES.items()}
