"""The JSON schema that gives editors completion and notes for a suite's YAML.

It asks for less than the loader: what an experiment or the grid may bring is not demanded of the common part,
and ranges that only a constructor knows are not in it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from cnnlib.config.options import argument_notes, options_of
from cnnlib.config.schema import SECTIONS, LossTerm, TaskConfig, TrainingConfig
from cnnlib.config.tables import ROOMS, Tables, load_tables
from cnnlib.lookup import Factory

Schema = dict[str, Any]
_OUTSIDE = {
    "type": "string",
    "pattern": r"^\w+(\.\w+)+$",
    "description": "The dotted path of a class of your own.",
}
_SECTION_PATHS = {"pattern": rf"^({'|'.join(SECTIONS)})(\..+)?$"}


def json_schema(tables: Tables | None = None) -> Schema:
    """JSON schema, draft 2020-12, of a suite's YAML.

    Args:
        tables: where components are looked up, the library's own by default.
    """
    tables = load_tables() if tables is None else tables
    kinds = sorted({task.kind for task in tables["task"].values()})
    definitions = {
        **{f"{room}.{name}": _options(room, name, factory) for room, name, factory in _entries(tables)},
        **{room: _component(room, tables[room]) for room in ROOMS if room not in ("task", "loss")},
        **{f"loss for {kind}": _loss(kind, tables) for kind in kinds},
        "task": _component("task", tables["task"]),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A cnnlib suite",
        "type": "object",
        "properties": _suite_properties(tables),
        "additionalProperties": False,
        "if": {"not": {"anyOf": [{"required": ["experiments"]}, {"required": ["grid"]}]}},
        "then": {"required": ["dataset", "model", "tasks", "optimizer", "training"]},
        "$defs": definitions,
    }


def _suite_properties(tables: Tables) -> Schema:
    def section(room: str, note: str) -> Schema:
        return {"$ref": f"#/$defs/{room}", "description": note}

    return {
        "name": {"type": "string", "description": "Default: the file's name."},
        "seeds": {
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "exclusiveMaximum": 2**32},
            "minItems": 1,
            "uniqueItems": True,
            "default": [0],
            "description": "Every experiment is run once under each.",
        },
        "dataset": section("dataset", "What is trained, validated and tested on."),
        "augmentations": {
            "type": "array",
            "items": {"$ref": "#/$defs/augmentation"},
            "default": [],
            "description": "Applied to training samples in this order.",
        },
        "model": section("model", "The network."),
        "tasks": _tasks(tables),
        "optimizer": section("optimizer", "How a gradient becomes a step."),
        "schedule": section("schedule", "How the learning rate moves. Default: constant."),
        "training": _training(),
        "predictions": section("predictions", "How the test split's predictions are kept. Default: folder."),
        "experiments": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "object", "propertyNames": _SECTION_PATHS},
            "description": "Named overrides: dotted key paths or nested mappings.",
        },
        "grid": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": _SECTION_PATHS,
            "additionalProperties": {"type": "array", "minItems": 1},
            "description": "Values by dotted key path; every combination is run, of every experiment.",
        },
        "baseline": {
            "type": "string",
            "description": "The experiment that the others are tested against. Default: the first.",
        },
    }


def _entries(tables: Tables) -> Iterable[tuple[str, str, Factory]]:
    return ((room, name, factory) for room in ROOMS for name, factory in tables[room].items())


def _component(room: str, names: Iterable[str]) -> Schema:
    """A component's bare name, or a mapping whose other keys depend on its ``name``."""
    names = list(names)
    name = {"anyOf": [{"enum": names}, _OUTSIDE]}
    return {
        "type": ["string", "object"],
        "if": {"type": "string"},
        "then": name,
        "else": {
            "properties": {"name": name},
            "required": ["name"],
            "allOf": [
                {"if": {"properties": {"name": {"const": each}}}, "then": {"$ref": f"#/$defs/{room}.{each}"}}
                for each in names
            ],
        },
    }


def _options(room: str, name: str, factory: Factory) -> Schema:
    """The keys of one component; none is required, for an experiment may bring it."""
    notes = argument_notes(factory)
    properties = options_of(factory, ROOMS[room].injected).json_schema()
    for option, schema in properties.items():
        if option in notes:
            schema["description"] = notes[option]
    own: Schema = {}
    if room == "loss":
        own["weight"] = _field(LossTerm, "weight")
    if room == "task":
        own["loss"] = {"$ref": f"#/$defs/loss for {factory.kind}", "default": factory.default_loss}
        own["weight"] = _field(TaskConfig, "weight")
    return {
        "type": "object",
        "description": (inspect.getdoc(factory) or name).partition("\n\n")[0],
        "properties": {"name": {"const": name}, **properties, **own},
        "additionalProperties": False,
    }


def _loss(kind: str, tables: Tables) -> Schema:
    """A term, or a list of them, out of the losses that make sense for one kind of task."""
    term = _component("loss", [name for name, loss in tables["loss"].items() if kind in loss.tasks])
    return {"if": {"type": "array"}, "then": {"items": term, "minItems": 1}, "else": term}


def _tasks(tables: Tables) -> Schema:
    """A task without a name is of the kind that its key says."""
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {
            name: {
                "if": {"type": "object", "not": {"required": ["name"]}},
                "then": {"$ref": f"#/$defs/task.{name}"},
                "else": {"$ref": "#/$defs/task"},
            }
            for name in tables["task"]
        },
        "additionalProperties": {"$ref": "#/$defs/task"},
        "description": "What is predicted, by the entry of the data set that it is trained on.",
    }


def _training() -> Schema:
    schema = TrainingConfig.model_json_schema()
    return {
        "type": "object",
        "description": schema["description"],
        "properties": {name: _field(TrainingConfig, name) for name in schema["properties"]},
        "additionalProperties": False,
    }


def _field(model: type[LossTerm] | type[TaskConfig] | type[TrainingConfig], name: str) -> Schema:
    schema = model.model_json_schema()["properties"][name]
    return {key: value for key, value in schema.items() if key != "title"}
