"""Writes configs/schema.json, which gives editors completion and notes for a suite's YAML.

Run it after a component or one of its options has changed: ``python tools/config_schema.py``. The schema asks for less
than the loader: what an experiment or the grid may bring is not demanded of the common part.
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cnnlib.config.component import Component
from cnnlib.config.options import argument_notes, options_of
from cnnlib.config.schema import SECTIONS, DatasetConfig, ExperimentConfig, LossTerm, SuiteFile, TaskConfig
from cnnlib.config.tables import REGISTRIES, Tables, load_tables
from cnnlib.config.tasks import fitting_losses
from cnnlib.lookup import Factory

SCHEMA = Path(__file__).resolve().parents[1] / "configs" / "schema.json"
Schema = dict[str, Any]
_OUTSIDE = {
    "type": "string",
    "pattern": r"^\w+(\.\w+)+$",
    "description": "The dotted path of a class of your own.",
}
_SECTION_PATHS = {"propertyNames": {"pattern": rf"^({'|'.join(SECTIONS)})(\..+)?$"}}


def json_schema(tables: Tables | None = None) -> Schema:
    """JSON schema, draft 2020-12, of a suite's YAML.

    Args:
        tables: where components are looked up, the library's own by default.
    """
    tables = load_tables() if tables is None else tables
    file, experiment = SuiteFile.model_json_schema(), ExperimentConfig.model_json_schema()
    properties = file["properties"] | experiment["properties"]
    properties["seeds"]["uniqueItems"] = True
    properties["grid"] |= _SECTION_PATHS
    properties["experiments"]["additionalProperties"] |= _SECTION_PATHS
    properties["tasks"] |= {
        "minProperties": 1,
        "properties": {kind: _unnamed(kind) for kind in tables["task"]},
    }
    definitions = {
        f"{registry}.{name}": _options(registry, name, factory)
        for registry in REGISTRIES
        for name, factory in tables[registry].items()
    }
    definitions |= {
        f"loss for {kind}": _component("loss", fitting_losses(task, tables))
        for kind, task in tables["task"].items()
    }
    definitions |= {each: _component(each, tables[each]) for each in REGISTRIES if each != "loss"}
    definitions |= experiment["$defs"]
    del definitions["TrainingConfig"]["required"]  # an experiment may bring it
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A cnnlib suite",
        "type": "object",
        "properties": _linked(properties),
        "additionalProperties": False,
        "if": {"not": {"anyOf": [{"required": ["experiments"]}, {"required": ["grid"]}]}},
        "then": {"required": experiment["required"]},
        "$defs": _linked(definitions),
    }


def _component(registry: str, names: Iterable[str]) -> Schema:
    """A component's bare name, or a mapping whose other keys depend on its ``name``."""
    names = list(names)
    name = {"anyOf": [{"enum": names}, _OUTSIDE]}
    # The key of a task may say what the name would.
    required = {} if registry == "task" else {"required": ["name"]}
    return {
        "type": ["string", "object"],
        "if": {"type": "string"},
        "then": name,
        "else": {
            "properties": {"name": name},
            **required,
            "allOf": [
                {
                    "if": {"properties": {"name": {"const": each}}, "required": ["name"]},
                    "then": {"$ref": f"#/$defs/{registry}.{each}"},
                }
                for each in names
            ],
        },
    }


def _unnamed(kind: str) -> Schema:
    """A task without a name is of the kind that its key says."""
    return {
        "if": {"type": "object", "not": {"required": ["name"]}},
        "then": {"$ref": f"#/$defs/task.{kind}"},
        "else": {"$ref": "#/$defs/task"},
    }


def _options(registry: str, name: str, factory: Factory) -> Schema:
    """The keys of one component; none is required, for an experiment may bring it."""
    options, notes = options_of(factory, REGISTRIES[registry].injected), argument_notes(factory)
    properties = options.adapter.json_schema()["properties"]
    for option, schema in properties.items():
        schema |= {"default": options.defaults[option]} if option in options.defaults else {}
        schema |= {"description": notes[option]} if option in notes else {}
    own = {"dataset": DatasetConfig, "task": TaskConfig, "loss": LossTerm}.get(
        registry, Component
    ).model_json_schema()["properties"]
    own = {key: schema for key, schema in own.items() if key not in Component.model_fields}
    if "loss" in own:
        term = {"$ref": f"#/$defs/loss for {factory.kind}"}
        own["loss"] = {
            "if": {"type": "array"},
            "then": {"items": term, "minItems": 1},
            "else": term,
            "default": factory.default_loss,
            "description": own["loss"]["description"],
        }
    return {
        "type": "object",
        "description": (inspect.getdoc(factory) or name).partition("\n\n")[0],
        "properties": {"name": {"const": name}, **properties, **own},
        "additionalProperties": False,
    }


def _linked(schema: Any) -> Any:
    """``schema`` with references to the registries' definitions, and without the titles that pydantic gives."""
    if isinstance(schema, list):
        return [_linked(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    linked = {
        key: _linked(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
    if isinstance(linked.get("registry"), str):
        linked["$ref"] = f"#/$defs/{linked.pop('registry')}"
    return linked


def main() -> None:
    SCHEMA.write_text(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {SCHEMA}")


if __name__ == "__main__":
    main()
