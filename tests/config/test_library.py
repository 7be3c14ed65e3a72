"""The library's own tables, read by the configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from cnnlib.config import ConfigError, json_schema, load_suite
from cnnlib.config.check import check_experiment
from cnnlib.config.options import argument_notes, options_of
from cnnlib.config.schema import SECTION_DEFAULTS
from cnnlib.config.tables import ROOMS, load_tables
from cnnlib.config.yaml_text import parse_yaml

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
COMPONENTS = [(room, name) for room, table in load_tables().items() for name in table]
OWN = {"loss": ("weight",), "task": ("loss", "weight")}


@pytest.mark.parametrize(("room", "name"), COMPONENTS)
def test_every_default_is_of_its_annotated_type(room: str, name: str) -> None:
    factory = load_tables()[room][name]
    options = options_of(factory, ROOMS[room].injected, OWN.get(room, ()))
    _, problems = options.check({}, "")
    assert [problem for problem in problems if "missing" not in problem.text] == []


@pytest.mark.parametrize(("room", "name"), COMPONENTS)
def test_every_component_has_what_the_configuration_reads(room: str, name: str) -> None:
    factory = load_tables()[room][name]
    assert [attribute for attribute in ROOMS[room].needs if not hasattr(factory, attribute)] == []
    assert factory.__doc__


@pytest.mark.parametrize(("room", "name"), COMPONENTS)
def test_docstrings_describe_only_arguments_that_exist(room: str, name: str) -> None:
    factory = load_tables()[room][name]
    options = options_of(factory, ROOMS[room].injected, OWN.get(room, ()))
    assert argument_notes(factory).keys() <= {*options.names, *ROOMS[room].injected}


@pytest.mark.parametrize("kind", list(load_tables()["task"]))
def test_every_default_loss_fits_its_task(kind: str) -> None:
    task = load_tables()["task"][kind]
    assert task.kind == kind
    assert kind in load_tables()["loss"][task.default_loss].tasks


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_is_read(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    assert load_suite(path).experiments
    assert list(Draft202012Validator(json_schema()).iter_errors(parse_yaml(path.read_text()))) == []


def test_ranges_that_constructors_know_are_told_before_anything_is_run() -> None:
    config, problems = check_experiment(
        SECTION_DEFAULTS
        | {
            "dataset": "scenes",
            "augmentations": [{"name": "flip", "horizontal": 2}],
            "model": {"name": "resunet", "widths": [0]},
            "tasks": {"depth": {"min_depth": 20, "loss": {"name": "huber", "delta": -1}}},
            "optimizer": {"name": "sgd", "momentum": 1},
            "schedule": {"name": "one_cycle", "warmup": 2},
            "training": {"epochs": 1},
        },
        load_tables(),
    )
    assert config is None
    assert [problem.path for problem in problems] == [
        "model",
        "optimizer",
        "schedule",
        "augmentations.0",
        "tasks.depth",
        "tasks.depth.loss",
    ]


def test_a_suite_of_typos_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "typos.yaml"
    path.write_text(
        "dataset: scene\n"
        "model: {name: resunet, width: [8]}\n"
        "tasks: {mask: {loss: [bce, {name: dise, weight: -1}]}}\n"
        "optimizer: adam\n"
        "training: {epochs: 1}\n"
        "grid: {}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_suite(path)
    assert [problem.path for problem in caught.value.problems] == [
        "grid",
        "dataset",
        "model.width",
        "optimizer",
        "tasks.mask.loss.1.name",
        "tasks.mask.loss.1.weight",
    ]


def test_importing_the_configuration_imports_no_component() -> None:
    code = (
        "import sys, cnnlib.config\n"
        "heavy = {'torchvision', 'kornia', 'cnnlib.models', 'cnnlib.losses', 'lightning_fabric'}\n"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
