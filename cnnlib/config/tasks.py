"""The tasks of a configuration: of what kind each is, and whether its losses and the model fit it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from cnnlib.checks import did_you_mean
from cnnlib.config.component import Context, build
from cnnlib.config.errors import Details, show
from cnnlib.config.tables import ALL, REGISTRIES, Tables
from cnnlib.engine.freezing import Freezing
from cnnlib.engine.parameter_groups import parameter_groups
from cnnlib.lookup import Factory
from cnnlib.types import CnnlibError, TargetInfo

if TYPE_CHECKING:
    from cnnlib.config.schema import ExperimentConfig, TaskConfig
    from cnnlib.tasks import Task

_MOST_PARAMETERS = 10**10  # 40 GB


def read_tasks(
    value: Any, handler: Callable[[Any], dict[str, TaskConfig]], context: Context
) -> dict[str, TaskConfig]:
    """Every task, named after its kind and with its default loss where the configuration does not say.

    Raises:
        ValidationError: with everything that is wrong with them.
    """
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"must map at least one target to its task; it is {show(value)}")
    details, tasks = Details(), {}
    for key, entry in value.items():
        named = _named(key, entry, context, details)
        read = details.collect(handler, {key: named}) if named is not None else None
        if read:
            tasks |= read
            _check_losses(key, read[key], context, details)
    weights = [(task.weight, term.weight) for task in tasks.values() for term in task.loss]
    if not details and not any(of_task > 0 and of_term > 0 for of_task, of_term in weights):
        details.add("nothing would be trained: every weight is 0")
    details.raise_any()
    return tasks


def check_model(config: ExperimentConfig, context: Context) -> None:
    """Builds the model, without memory for its weights, with the heads that the tasks ask for.

    Raises:
        ValidationError: where its constructor refuses them, or it has not the stages that ``freeze`` or
            ``learning_rate_factors`` speak of.
    """
    # A model of the library costs nothing on "meta"; one from outside may not know that device.
    if config.model.name not in context.tables["model"]:
        return
    details = Details()
    heads = {key: _built(key, task, context)[0].head for key, task in config.tasks.items()}
    try:
        with torch.device("meta"):
            model = build(config.model, context.tables["model"], in_channels=6, heads=heads)
    except (CnnlibError, ValueError) as error:
        details.add(str(error), "model")
        details.raise_any()
    except Exception as error:  # PyTorch's and the encoders' libraries', such as for too large numbers
        text = str(error).partition("\n")[0]
        details.add(f"cannot be built: {type(error).__name__}: {text}", "model")
        details.raise_any()
    if (parameters := sum(each.numel() for each in model.parameters())) > _MOST_PARAMETERS:
        details.add(
            f"would have {parameters:,} parameters; no more than {_MOST_PARAMETERS:,} are built", "model"
        )
        details.raise_any()
    try:
        if config.freeze is not None:
            Freezing(model, config.freeze.trained())
    except CnnlibError as error:
        details.add(str(error), "freeze")
    try:
        if config.learning_rate_factors is not None:
            parameter_groups(model, config.learning_rate_factors.model_dump())
    except CnnlibError as error:
        details.add(str(error), "learning_rate_factors")
    details.raise_any()


def fitting_losses(task: Factory, tables: Tables) -> list[str]:
    """The losses that can compare something of a task with default options."""
    tasks = [task(info=info) for info in Context(tables, None).infos("", task.kind)]
    return [name for name, loss in tables["loss"].items() if _compared(loss, tasks)]


class Contexts:
    """What experiments are checked against, by what their data sets say of targets."""

    def __init__(self, tables: Tables, imported: Collection[str] = ALL) -> None:
        self.tables, self.imported = tables, imported
        self._known: dict[str, Context] = {}

    def of(self, dataset: Any) -> Context:
        """For experiments on ``dataset``, a section as the file has it."""
        name = dataset.get("name") if isinstance(dataset, Mapping) else dataset
        kinds = _stated_kinds(dataset)
        key = json.dumps([name, kinds])
        if key not in self._known:
            bare = Context(self.tables, None, kinds, self.imported)
            self._known[key] = replace(bare, targets=_dataset_targets(name, bare))
        return self._known[key]


def _dataset_targets(name: Any, context: Context) -> Mapping[str, TargetInfo] | None:
    """Those that the class has; None where they are found in the data, or the name is wrong."""
    if not isinstance(name, str) or context.leaves_unread("dataset", name):
        return None
    try:
        targets = getattr(REGISTRIES["dataset"].find(name, context.tables["dataset"]), "targets", None)
    except CnnlibError:
        return None  # reported where the section itself is read
    return targets if isinstance(targets, Mapping) else None


def _stated_kinds(dataset: Any) -> dict[str, str]:
    """The kinds that a data set's option ``targets`` states: ``{animal: {kind: label, ...}}``."""
    given = dataset.get("targets") if isinstance(dataset, Mapping) else None
    targets = given.items() if isinstance(given, Mapping) else ()
    return {key: each["kind"] for key, each in targets if isinstance(each, Mapping) and "kind" in each}


def _named(key: str, entry: Any, context: Context, details: Details) -> Any:
    """``entry`` with its name and its loss; None where the data set lacks the target and there is no name."""
    given = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(given, Mapping):
        return entry
    table, targets = context.tables["task"], context.targets
    if targets is not None and key not in targets:
        nearest = did_you_mean(key, targets)
        details.add(f"the data set has no target {key!r}{nearest}; it has {', '.join(targets)}", key)
        if "name" not in given:
            return None  # a misspelt key is one problem, not also an unknown kind
    known = (
        {key: key for key in table}
        | context.kinds
        | {each: info.kind for each, info in (targets or {}).items()}
    )
    kind = known.get(key)
    name = given.get("name", kind)
    if name is None:
        nearest = did_you_mean(key, table)
        details.add(f"{key!r} is no kind of task{nearest}; say which with name: {', '.join(table)}", key)
        return None
    try:
        task = REGISTRIES["task"].find(name, table)
    except (CnnlibError, TypeError):
        return {**given, "name": name}  # reported where the name itself is read
    if targets and key in targets and task.kind in table and task.kind != kind:
        details.add(f"the data set's {key!r} is for a {kind} task, not for a {task.kind} task", key)
    return {"loss": task.default_loss, **given, "name": name}


def _built(key: str, task: TaskConfig, context: Context) -> list[Task]:
    """The task, for each target that the data set may have under ``key``."""
    table = context.tables["task"]
    kind = REGISTRIES["task"].find(task.name, table).kind
    return [build(task, table, info=info) for info in context.infos(key, kind)]


def _check_losses(key: str, task: TaskConfig, context: Context, details: Details) -> None:
    table = context.tables["loss"]
    try:
        tasks = _built(key, task, context)
    except (CnnlibError, ValueError) as error:
        details.add(str(error), key)
        return
    for index, term in enumerate(task.loss):
        if context.leaves_unread("loss", term.name):
            continue
        loss = REGISTRIES["loss"].find(term.name, table)
        compared = _compared(loss, tasks)
        if not compared:
            wanted = ", ".join(sorted(loss.values)) + (" of maps" if loss.needs_map else "")
            offered = ", ".join(dict.fromkeys(values for task in tasks for values in task.values))
            reason = f"it compares {wanted}; this {tasks[0].head.shape} task offers {offered}"
            text = f"{term.name!r} does not fit a {tasks[0].kind} task ({reason})"
            fitting = ", ".join(name for name, other in table.items() if _compared(other, tasks)) or "none"
            details.add(f"{text}; losses that fit: {fitting}", key, "loss", index)
        elif term.on not in (None, *compared):
            text = f"must be {' or '.join(compared)}, which {term.name!r} can compare for this task"
            details.add(f"{text}; it is {show(term.on)}", key, "loss", index, "on")


def _compared(loss: Factory, tasks: list[Task]) -> list[str]:
    return list(dict.fromkeys(values for task in tasks for values in loss.compares(task)))
