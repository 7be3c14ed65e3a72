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

from cnnlib.config.errors import unknown
from cnnlib.types import CnnlibError

Factory: TypeAlias = Callable[..., Any]
Tables: TypeAlias = Mapping[str, Mapping[str, Factory]]
"""``{room: {name: class or function}}``, with the rooms of ``ROOMS``."""


@dataclass(frozen=True)
class Room:
    """One kind of component.

    Attributes:
        what: its name in messages.
        module, table: where its table stands.
        injected: constructor arguments that the program gives; a configuration cannot.
        needs: attributes that configuration reads; outside code is refused without them.
    """

    what: str
    module: str
    table: str
    injected: frozenset[str] = frozenset()
    needs: tuple[str, ...] = ()


ROOMS: dict[str, Room] = {
    "dataset": Room("data set", "cnnlib.datasets", "DATASETS", needs=("image_names", "targets", "split")),
    "augmentation": Room("augmentation", "cnnlib.augmentations", "AUGMENTATIONS"),
    "model": Room("model", "cnnlib.models", "MODELS", frozenset({"in_channels", "outputs"})),
    "task": Room("task", "cnnlib.tasks", "TASKS", needs=("kind", "default_loss")),
    "loss": Room("loss", "cnnlib.losses", "LOSSES", needs=("on_logits", "tasks")),
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


def find(
    name: str, table: Mapping[str, Factory], what: str = "component", needs: tuple[str, ...] = ()
) -> Factory:
    """The class or function called ``name``: a name in ``table``, or the dotted path of outside code.

    Raises:
        CnnlibError: if there is none, it cannot be imported, or it lacks one of the attributes ``needs``.
    """
    if name in table:
        return table[name]
    if "." not in name:
        raise CnnlibError(f"{unknown(what, name, table)}, or the dotted path of a class of your own")
    module, _, attribute = name.rpartition(".")
    try:
        factory = getattr(import_module(module), attribute)
    except Exception as error:  # outside code can fail in any way, and it is the user's
        raise CnnlibError(f"{name!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(factory):
        raise CnnlibError(f"{name!r} must be a class or a function; it is a {type(factory).__name__}")
    if missing := [attribute for attribute in needs if not hasattr(factory, attribute)]:
        raise CnnlibError(f"{name!r} cannot serve as a {what}: it has no {' and no '.join(missing)}")
    return factory
