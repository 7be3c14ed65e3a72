from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cnnlib.config import ConfigError, SuiteConfig
from cnnlib.config.tables import Tables
from tools import config_schema
from tools.config_schema import json_schema

WRITTEN = Path(__file__).parents[2] / "configs" / "schema.json"

GOOD: list[dict[str, Any]] = [
    {},
    {"model": {"name": "net", "widths": [3], "norm": "group", "scale": [1, 2]}},
    {"tasks": {"mask": {"name": "mask"}, "far": {"name": "depth", "max_depth": 3, "loss": "l1"}}},
    {"tasks": {"mask": "mask"}},
    {"tasks": {"far": {}}},
    {"tasks": {"mask": {"loss": [{"name": "l1", "on": "logits"}]}}},
    {"tasks": {"mask": {"loss": {"name": "bce", "pos_weight": "balanced", "weight": 0.5}, "weight": 2}}},
    {"tasks": {"mask": {"loss": ["bce", {"name": "dice", "smooth": 0}]}}},
    {"augmentations": ["turn", {"name": "turn", "p": 0.5}]},
    {"training": {"epochs": 1, "clip_norm": None, "patience": 3, "precision": "bf16-mixed"}},
    {"seeds": [0, 1], "name": "trial"},
    {"margins": {"mask": 0.02}, "main_task": "mask", "seeds": [0, 1, 2], "first_seeds": 2},
    {"margins": {}, "main_task": None, "first_seeds": None},
    {"experiments": {"a": {"tasks.mask.loss": "dice"}, "b": {"training": {"epochs": 3}}}, "baseline": "b"},
    {"grid": {"optimizer.learning_rate": [0.1, 0.2]}},
    {"predictions": {"name": "folder", "count": None}},
    {"start_from": {"run": "runs/a/seed-0", "heads": True}, "freeze": None, "learning_rate_factors": None},
    {"experiments": {"a": {}, "b": {"start_from": {"run": "a"}}}},
]
BAD: list[dict[str, Any]] = [
    {"modle": "net"},
    {"model": "nt"},
    {"model": {"widths": [3]}},
    {"model": {"name": "net", "width": [3]}},
    {"model": {"name": "net", "widths": ["3"]}},
    {"model": {"name": "net", "norm": "layer"}},
    {"model": {"name": "net", "in_channels": 3}},
    {"model": 3},
    {"tasks": {}},
    {"tasks": {"mask": {"loss": "dise"}}},
    {"tasks": {"far": {"name": "depth", "loss": "dice"}}},
    {"tasks": {"far": {"name": "depth", "lose": "l1"}}},
    {"tasks": {"mask": {"max_depth": 3}}},
    {"tasks": {"mask": {"loss": []}}},
    {"tasks": {"mask": {"loss": {"name": "bce", "weight": -1}}}},
    {"tasks": {"mask": {"loss": ["bce", {"name": "dice", "smoth": 0}]}}},
    {"tasks": {"mask": {"weight": -1}}},
    {"augmentations": "turn"},
    {"augmentations": [{"name": "turn", "q": 0.5}]},
    {"augmentations": [{"name": "turn", "p": 1.5}]},
    {"optimizer": {"name": "sgd", "learning_rate": 0}},
    {"training": {"epochs": 0}},
    {"training": {"epochs": 1, "epoch": 2}},
    {"training": {"epochs": 1, "precision": "bf16"}},
    {"start_from": "a"},
    {"start_from": {"run": ""}},
    {"start_from": {"heads": True}},
    {"freeze": {"trained_stages": "some"}},
    {"freeze": {"trained_stages": 0, "unfreeze": {"2": 1}}},
    {"freeze": {"trained_stages": 0, "unfreeze": [{"epoch": 1, "trained_stages": 1}]}},
    {"learning_rate_factors": {"heads": 0}},
    {"learning_rate_factors": {"head": 1}},
    {"seeds": []},
    {"seeds": [-1]},
    {"seeds": [1, 1]},
    {"margins": {"mask": 0}},
    {"margins": {"mask": 1}},
    {"margins": {"mask": "0.1"}},
    {"margins": None},
    {"margins": [0.1]},
    {"main_task": ["mask"]},
    {"seeds": [0, 1, 2], "first_seeds": 1},
    {"seeds": [0, 1, 2], "first_seeds": 2.5},
    {"experiments": {}},
    {"experiments": {"a": {"task.mask.loss": "dice"}}},
    {"grid": {}},
    {"grid": {"training.epochs": []}},
    {"grid": {"training.epochs": 3}},
]


@pytest.fixture(scope="module")
def validator(tables: Tables) -> Draft202012Validator:
    schema = json_schema(tables)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("change", GOOD, ids=str)
def test_what_the_loader_takes_the_editor_takes(
    validator: Draft202012Validator,
    parse: Callable[..., SuiteConfig],
    suite: dict[str, Any],
    change: dict[str, Any],
) -> None:
    parse(suite | change)
    assert list(validator.iter_errors(suite | change)) == []


@pytest.mark.parametrize("change", BAD, ids=str)
def test_what_the_editor_refuses_the_loader_refuses(
    validator: Draft202012Validator,
    parse: Callable[..., SuiteConfig],
    suite: dict[str, Any],
    change: dict[str, Any],
) -> None:
    assert list(validator.iter_errors(suite | change))
    with pytest.raises(ConfigError):
        parse(suite | change)


def test_a_missing_section_is_seen_unless_an_experiment_may_bring_it(
    validator: Draft202012Validator, suite: dict[str, Any]
) -> None:
    del suite["model"]
    (error,) = validator.iter_errors(suite)
    assert "'model' is a required property" in error.message
    assert validator.is_valid(suite | {"experiments": {"a": {"model": "net"}}})


def test_a_misspelt_option_is_reported_alone(validator: Draft202012Validator, suite: dict[str, Any]) -> None:
    (error,) = validator.iter_errors(suite | {"model": {"name": "net", "width": [3]}})
    assert list(error.absolute_path) == ["model"]
    assert "'width' was unexpected" in error.message


def test_options_carry_notes_and_defaults(tables: Tables) -> None:
    definitions = json_schema(tables)["$defs"]
    assert definitions["model.net"]["description"] == "A net."
    assert definitions["model.net"]["properties"]["widths"] == {
        "type": "array",
        "items": {"type": "integer"},
        "default": [8, 16],
        "description": "channels of the levels, from fine to coarse.",
    }
    assert definitions["task.depth"]["properties"]["loss"]["default"] == "l1"


def test_the_written_schema_is_fresh() -> None:
    written = json.loads(WRITTEN.read_text(encoding="utf-8"))
    assert written == json_schema(), "run: make schema"


def test_the_tool_writes_what_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_schema.SCHEMA == WRITTEN
    monkeypatch.setattr(config_schema, "SCHEMA", tmp_path / "schema.json")
    config_schema.main()
    assert (tmp_path / "schema.json").read_bytes() == WRITTEN.read_bytes(), "run: make schema"


def test_the_librarys_schema_is_valid_and_every_reference_leads_somewhere() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    waiting: list[Any] = [copy.deepcopy(schema)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "$ref" in node:
                assert node["$ref"].removeprefix("#/$defs/") in schema["$defs"]
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
