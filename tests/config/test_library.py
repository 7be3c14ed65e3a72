"""The library's own tables, read by the configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from cnnlib.config import ConfigError, load_suite
from cnnlib.config.errors import Details
from cnnlib.config.load import check_experiment
from cnnlib.config.options import Options, argument_notes, options_of
from cnnlib.config.tables import REGISTRIES, load_tables
from cnnlib.config.tasks import Contexts, fitting_losses
from cnnlib.yaml_text import parse_yaml
from tools.config_schema import json_schema

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
COMPONENTS = [(registry, name) for registry, table in load_tables().items() for name in table]
OWN = {"loss": ("weight", "on"), "task": ("loss", "weight")}


def options_in(registry: str, name: str) -> Options:
    return options_of(load_tables()[registry][name], REGISTRIES[registry].injected, OWN.get(registry, ()))


@pytest.mark.parametrize(("registry", "name"), COMPONENTS)
def test_every_default_is_of_its_annotated_type(registry: str, name: str) -> None:
    details = Details()
    details.collect(options_in(registry, name).read, {})
    assert [detail for detail in details if detail["type"] != "missing"] == []


@pytest.mark.parametrize(("registry", "name"), COMPONENTS)
def test_every_component_has_what_the_configuration_reads(registry: str, name: str) -> None:
    factory = load_tables()[registry][name]
    assert [attribute for attribute in REGISTRIES[registry].needs if not hasattr(factory, attribute)] == []
    assert factory.__doc__


@pytest.mark.parametrize(("registry", "name"), COMPONENTS)
def test_docstrings_describe_only_arguments_that_exist(registry: str, name: str) -> None:
    notes = argument_notes(load_tables()[registry][name])
    assert notes.keys() <= {*options_in(registry, name).names, *REGISTRIES[registry].injected}


@pytest.mark.parametrize("kind", list(load_tables()["task"]))
def test_every_default_loss_fits_its_task(kind: str) -> None:
    task = load_tables()["task"][kind]
    assert task.kind == kind
    assert task.default_loss in fitting_losses(task, load_tables())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_is_read(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    assert load_suite(path).experiments
    assert list(Draft202012Validator(json_schema()).iter_errors(parse_yaml(path.read_text()))) == []


def test_ranges_are_checked_before_anything_is_run() -> None:
    config, problems = check_experiment(
        {
            "dataset": "scenes",
            "augmentations": [{"name": "flip", "horizontal": 2}],
            "model": {"name": "resunet", "widths": [0]},
            "tasks": {"depth": {"min_depth": 20, "loss": {"name": "huber", "delta": -1}}},
            "optimizer": {"name": "sgd", "momentum": 1},
            "schedule": {"name": "one_cycle", "warmup": 2},
            "training": {"epochs": 1},
        },
        Contexts(load_tables()),
    )
    assert config is None
    assert [problem.path for problem in problems] == [
        "augmentations.0.horizontal",
        "model.widths.0",
        "tasks.depth",
        "tasks.depth.loss.delta",
        "optimizer.momentum",
        "schedule.warmup",
    ]
    assert "depth needs min_depth < max_depth" in problems[2].text


def test_a_suite_of_typos_is_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "typos.yaml"
    path.write_text(
        "dataset: scene\n"
        "model: {name: resunet, width: [8]}\n"
        "tasks: {mask: {loss: [bce, {name: dise, weight: -1}]}}\n"
        "optimizer: adan\n"
        "training: {epochs: 1}\n"
        "grid: {}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_suite(path)
    assert {problem.path for problem in caught.value.problems} == {
        "grid",
        "dataset",
        "model.width",
        "optimizer",
        "tasks.mask.loss.1",
        "tasks.mask.loss.1.weight",
    }


def test_importing_the_configuration_imports_no_component() -> None:
    code = (
        "import sys, cnnlib.config\n"
        "heavy = {'torchvision', 'kornia', 'cnnlib.models', 'cnnlib.losses', 'lightning_fabric'}\n"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_option_may_name_points_that_the_data_will_tell() -> None:
    sections = {
        "dataset": {
            "name": "keypoints",
            "root": ".",
            "annotations": "a.csv",
            "images": "images",
            "layout": "face_68",
        },
        "model": "resunet",
        "tasks": {"points": {"reference": ["right_eye_1", "left_eye_4"]}},
        "optimizer": "adamw",
        "training": {"epochs": 1},
    }
    assert check_experiment(sections, Contexts(load_tables()))[1] == []
    sections["dataset"] = "faces"
    sections["tasks"]["points"]["reference"] = ["right_eye_1", "left_eye_44"]
    (problem,) = check_experiment(sections, Contexts(load_tables()))[1]
    assert "did you mean 'left_eye_4'" in problem.text
