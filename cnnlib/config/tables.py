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

from cnnlib.lookup import Factory, find
from cnnlib.types import TargetInfo

Tables: TypeAlias = Mapping[str, Mapping[str, Factory]]
"""``{registry: {name: class or function}}``, with the keys of ``REGISTRIES``."""


@dataclass(frozen=True)
class Registry:
    """One sort of component.

    Attributes:
        what: its name in messages.
        module, table: where its table stands.
        bases: the classes or protocols of which outside code must be one, by their paths.
        injected: constructor arguments that the program gives; a configuration cannot.
        stand_ins: values for these, where building is so cheap that a configuration is checked by it.
        needs: attributes that the program reads of the class; outside code is refused without them.
    """

    what: str
    module: str
    table: str
    bases: tuple[str, ...]
    injected: tuple[str, ...] = ()
    stand_ins: Callable[[], dict[str, Any]] | None = None
    needs: tuple[str, ...] = ()

    def find(self, name: str, table: Mapping[str, Factory]) -> Factory:
        """The component called ``name``; see ``cnnlib.lookup.find``."""
        return find(name, table, self.what, tuple(map(_class_at, self.bases)), self.needs)


def _class_at(path: str) -> type:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


class _NotYetKnown(tuple[str, ...]):
    """Names that stand in for those of the data: any that an option mentions may be among them."""

    def __contains__(self, name: object) -> bool:
        return True


NOT_YET_KNOWN = _NotYetKnown(("a", "b"))

REGISTRIES: dict[str, Registry] = {
    "dataset": Registry("data set", "cnnlib.datasets", "DATASETS", ("cnnlib.types.DataSource",)),
    "augmentation": Registry(
        "augmentation",
        "cnnlib.augmentations",
        "AUGMENTATIONS",
        ("cnnlib.augmentations.Geometric", "cnnlib.augmentations.Photometric"),
        stand_ins=dict,
    ),
    "model": Registry("model", "cnnlib.models", "MODELS", ("torch.nn.Module",), ("in_channels", "heads")),
    "task": Registry(
        "task",
        "cnnlib.tasks",
        "TASKS",
        ("cnnlib.tasks.Task",),
        ("info",),
        lambda: {"info": TargetInfo("", NOT_YET_KNOWN)},
        needs=("kind", "default_loss"),
    ),
    "loss": Registry(
        "loss", "cnnlib.losses", "LOSSES", ("cnnlib.losses.Loss",), stand_ins=dict, needs=("values",)
    ),
    "optimizer": Registry(
        "optimizer",
        "cnnlib.engine.optimizer",
        "OPTIMIZERS",
        ("torch.optim.Optimizer",),
        ("parameters",),
        lambda: {"parameters": [torch.nn.Parameter(torch.zeros(1))]},
    ),
    "schedule": Registry(
        "schedule",
        "cnnlib.engine.schedule",
        "SCHEDULES",
        ("cnnlib.engine.schedule.Schedule",),
        ("optimizer", "total_steps"),
    ),
    "weighting": Registry(
        "weighting",
        "cnnlib.weighting",
        "WEIGHTINGS",
        ("cnnlib.weighting.Weighting",),
        ("tasks",),
        lambda: {"tasks": tuple(NOT_YET_KNOWN)},
    ),
    "predictions": Registry(
        "persister",
        "cnnlib.predictions",
        "PERSISTERS",
        ("cnnlib.types.PredictionSink",),
        ("out", "tasks", "inputs"),
    ),
}


ALL = frozenset(REGISTRIES)
"""The registries by name."""


@cache
def load_tables() -> Tables:
    """The library's own tables."""
    return {key: getattr(import_module(each.module), each.table) for key, each in REGISTRIES.items()}
