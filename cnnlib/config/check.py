"""One experiment's plain values against the tables: an ``ExperimentConfig``, or every fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from pydantic import TypeAdapter

from cnnlib.checks import did_you_mean
from cnnlib.config.build import build
from cnnlib.config.errors import MISSING, Fault, show
from cnnlib.config.options import options_of
from cnnlib.config.schema import (
    SECTIONS,
    SUITE_KEYS,
    Component,
    ExperimentConfig,
    LossTerm,
    TaskConfig,
    TrainingConfig,
    Weight,
)
from cnnlib.config.tables import ROOMS, Tables
from cnnlib.config.validation import validated
from cnnlib.lookup import Factory, find, unknown
from cnnlib.types import CnnlibError

_TRAINING: TypeAdapter[TrainingConfig] = TypeAdapter(TrainingConfig)
_WEIGHT: TypeAdapter[float] = TypeAdapter(Weight)


def _parameters() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.zeros(1))]


_STAND_INS: dict[str, Callable[[], dict[str, Any]]] = {
    "task": dict,
    "loss": dict,
    "augmentation": dict,
    "model": lambda: {"in_channels": 6, "outputs": {"mask": 1}},
    "optimizer": lambda: {"parameters": _parameters()},
    "schedule": lambda: {"optimizer": torch.optim.SGD(_parameters(), lr=1.0), "total_steps": 1000},
}
"""The rooms whose components are cheap to build, and what stands in for the injected arguments."""


def check_experiment(
    config: Mapping[str, Any], tables: Tables
) -> tuple[ExperimentConfig | None, list[Fault]]:
    """The experiment that ``config`` describes, or None and what is wrong with it.

    Args:
        config: the sections of one experiment, as plain values.
    """
    checker = _Checker(tables)
    checked = checker.experiment(config)
    return (None if checker.faults else checked), checker.faults


class _Checker:
    """Collects faults instead of raising: what cannot be read is None, and the rest is read all the same."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.faults: list[Fault] = []

    def experiment(self, config: Mapping[str, Any]) -> ExperimentConfig | None:
        for key in config:
            if key not in SECTIONS:
                self._fault(key, unknown_section(key, SECTIONS))
        for section in SECTIONS:
            if section not in config:
                self._fault(section, MISSING)
        read = {
            section: self.component(section, config[section], section)[1]
            for section in ("dataset", "model", "optimizer", "schedule", "predictions")
            if section in config
        }
        if "training" in config:
            read["training"] = self._validated(
                _TRAINING, config["training"], "training", TrainingConfig.model_fields
            )
        read["augmentations"] = self.augmentations(config["augmentations"])
        if "tasks" in config:
            read["tasks"] = self.tasks(config["tasks"], self._dataset_targets(config.get("dataset")))
        return None if self.faults else ExperimentConfig(**read)

    def component(
        self, room_name: str, value: Any, path: str, own: tuple[str, ...] = ()
    ) -> tuple[Factory | None, Component | None]:
        """What ``value`` names, and its checked options; either is None where it is faulty.

        Args:
            own: keys beside the options that the caller reads.
        """
        room, table = ROOMS[room_name], self.tables[room_name]
        given = {"name": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping):
            self._fault(path, f"must be a {room.what}'s name, or a mapping with a name; it is {show(value)}")
            return None, None
        if not isinstance(given.get("name"), str):
            came = f"it is {show(given['name'])}" if "name" in given else f"missing in {show(given)}"
            self._fault(f"{path}.name", f"must be one of {', '.join(table)}; {came}")
            return None, None
        name = given["name"]
        try:
            factory = find(name, table, room.what, room.needs, room.base)
        except CnnlibError as error:
            self._fault(path if isinstance(value, str) else f"{path}.name", str(error))
            return None, None
        try:
            options = options_of(factory, room.injected, own)
        except CnnlibError as error:
            self._fault(path, str(error))
            return factory, None
        checked, faults = options.check(
            {k: v for k, v in given.items() if k not in ("name", *own)}, path, own
        )
        self.faults += faults
        if faults:
            return factory, None
        component = Component(name=name, options=checked)
        self._try(room_name, component, path)
        return factory, component

    def augmentations(self, value: Any) -> tuple[Component | None, ...]:
        if not isinstance(value, list):
            self._fault("augmentations", f"must be a list; it is {show(value)}")
            return ()
        return tuple(
            self.component("augmentation", entry, f"augmentations.{i}")[1] for i, entry in enumerate(value)
        )

    def tasks(self, value: Any, targets: Mapping[str, str] | None) -> dict[str, TaskConfig | None]:
        """``targets``: the data set's; None where it is not known."""
        if not isinstance(value, Mapping) or not value:
            self._fault("tasks", f"must map at least one target to its task; it is {show(value)}")
            return {}
        read = {key: self.task(key, entry, f"tasks.{key}", targets) for key, entry in value.items()}
        known = [task for task in read.values() if task is not None]
        trained = any(task.weight > 0 and term.weight > 0 for task in known for term in task.loss)
        if len(known) == len(read) and not trained:
            self._fault("tasks", "nothing would be trained: every weight is 0")
        return read

    def task(self, key: str, value: Any, path: str, targets: Mapping[str, str] | None) -> TaskConfig | None:
        foreign = targets is not None and key not in targets
        if foreign:
            text = (
                f"the data set has no target {key!r}{did_you_mean(key, targets)}; it has {', '.join(targets)}"
            )
            self._fault(path, text)
        given = {"name": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping):
            self._fault(path, f"must be a mapping, {{}} for a task without options; it is {show(value)}")
            return None
        factory, component = None, None
        if "name" in given or not foreign:  # a misspelt key is one fault, not also an unknown kind
            named = value if isinstance(value, str) else {"name": key, **given}
            factory, component = self.component("task", named, path, own=("loss", "weight"))
        kind = factory.kind if factory else None
        kinds = {task.kind for task in self.tables["task"].values()}
        if kind and kind not in kinds:
            self._fault(
                path,
                f"there are no metrics for a {kind!r} task; a task's kind must be {' or '.join(sorted(kinds))}",
            )
        if kind and targets and targets.get(key, kind) != kind:
            self._fault(path, f"the data set's {key!r} is for a {targets[key]} task, not for a {kind} task")
        loss_path = f"{path}.loss"
        loss = given.get("loss", factory.default_loss if factory else None)
        terms = self.losses(loss, loss_path, kind) if factory or "loss" in given else ()
        weight = self._validated(_WEIGHT, given.get("weight", 1.0), f"{path}.weight")
        if component is None or weight is None or None in terms:
            return None
        return TaskConfig(name=component.name, options=component.options, loss=terms, weight=weight)

    def losses(self, value: Any, path: str, kind: str | None) -> tuple[LossTerm | None, ...]:
        if not isinstance(value, list):
            return (self.loss(value, path, kind),)
        if not value:
            self._fault(path, "must be a loss, or a list of at least one; it is []")
            return (None,)
        names = [entry.get("name") if isinstance(entry, Mapping) else entry for entry in value]
        for index, name in enumerate(names):
            if isinstance(name, str) and name in names[:index]:
                self._fault(f"{path}.{index}", f"{name!r} stands twice in one list: terms are logged by name")
        return tuple(self.loss(entry, f"{path}.{i}", kind) for i, entry in enumerate(value))

    def loss(self, value: Any, path: str, kind: str | None) -> LossTerm | None:
        factory, component = self.component("loss", value, path, own=("weight",))
        if kind and factory and kind not in factory.tasks:
            fitting = ", ".join(name for name, loss in self.tables["loss"].items() if kind in loss.tasks)
            name = value if isinstance(value, str) else value["name"]
            self._fault(path, f"{name!r} is no loss for a {kind} task; allowed: {fitting or 'none'}")
        given = value.get("weight", 1.0) if isinstance(value, Mapping) else 1.0
        weight = self._validated(_WEIGHT, given, f"{path}.weight")
        if component is None or weight is None:
            return None
        return LossTerm(name=component.name, options=component.options, weight=weight)

    def _dataset_targets(self, value: Any) -> Mapping[str, str] | None:
        name = value.get("name") if isinstance(value, Mapping) else value
        try:
            return find(name, self.tables["dataset"], needs=ROOMS["dataset"].needs).targets
        except (CnnlibError, TypeError):
            return None  # told where the section itself is read

    def _try(self, room: str, component: Component, path: str) -> None:
        """Builds what is cheap to build, for the faults that only the constructor sees."""
        if room not in _STAND_INS:
            return
        # A model of the library costs nothing on "meta"; one from outside may not know that device.
        if room == "model" and component.name not in self.tables[room]:
            return
        try:
            with torch.device("meta") if room == "model" else nullcontext():
                build(component, self.tables[room], **_STAND_INS[room]())
        except (CnnlibError, ValueError) as error:
            self._fault(path, str(error))

    def _validated(
        self, adapter: TypeAdapter[Any], value: Any, path: str, allowed: Iterable[str] = ()
    ) -> Any:
        checked, faults = validated(adapter, value, path, allowed)
        self.faults += faults
        return checked

    def _fault(self, path: str, text: str) -> None:
        self.faults.append(Fault(path, text))


def unknown_section(key: str, allowed: Iterable[str]) -> str:
    """What to say of a key that is none of a configuration's."""
    if key in SUITE_KEYS:
        return "belongs to the whole suite, and cannot differ between experiments"
    if key in TrainingConfig.model_fields:
        return f"there is no such section (did you mean 'training.{key}'?)"
    return unknown("section", key, allowed)
