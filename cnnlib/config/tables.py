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


_TASK = {"needs": ("kind", "default_loss", "decode", "loss_inputs", "metric"), "base": "cnnlib.tasks.Task"}
_LOSS = {"needs": ("values", "compares", "prepare"), "base": "cnnlib.losses.Loss"}


_WEIGHTING = {
    "needs": ("weights", "combine", "update", "state_dict", "constant"),
    "base": "cnnlib.weighting.Weighting",
}


class _NotYetKnown(tuple[str, ...]):
    """Names that stand in for those of the data: any that an option mentions may be among them."""

    def __contains__(self, name: object) -> bool:
        return True


NOT_YET_KNOWN = _NotYetKnown(("a", "b"))

REGISTRIES: dict[str, Registry] = {
    "dataset": Registry("data set", "cnnlib.datasets", "DATASETS", needs=("split",)),
    "augmentation": Registry("augmentation", "cnnlib.augmentations", "AUGMENTATIONS", (), dict),
    "model": Registry("model", "cnnlib.models", "MODELS", ("in_channels", "heads")),
    "task": Registry(
        "task", "cnnlib.tasks", "TASKS", ("info",), lambda: {"info": TargetInfo("", NOT_YET_KNOWN)}, **_TASK
    ),
    "loss": Registry("loss", "cnnlib.losses", "LOSSES", (), dict, **_LOSS),
    "optimizer": Registry(
        "optimizer",
        "cnnlib.engine.optimizer",
        "OPTIMIZERS",
        ("parameters",),
        lambda: {"parameters": [torch.nn.Parameter(torch.zeros(1))]},
    ),
    "schedule": Registry("schedule", "cnnlib.engine.schedule", "SCHEDULES", ("optimizer", "total_steps")),
    "weighting": Registry(
        "weighting",
        "cnnlib.weighting",
        "WEIGHTINGS",
        ("tasks",),
        lambda: {"tasks": tuple(NOT_YET_KNOWN)},
        **_WEIGHTING,
    ),
    "predictions": Registry("persister", "cnnlib.predictions", "PERSISTERS", ("out", "tasks", "inputs")),
}


@cache
def load_tables() -> Tables:
    """The library's own tables."""
    return {key: getattr(import_module(each.module), each.table) for key, each in REGISTRIES.items()}
