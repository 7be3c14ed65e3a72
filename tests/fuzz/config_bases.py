"""Configs that are sound: the shipped ones, made small, and a tiny one of every entry of the library's tables."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cnnlib.config import ConfigError, parse_suite
from cnnlib.config.options import options_of
from cnnlib.config.tables import REGISTRIES, load_tables
from cnnlib.datasets import DATASETS
from cnnlib.types import TargetInfo
from cnnlib.yaml_text import parse_yaml
from tests.datasets.test_contract import EXAMPLES

Sections = dict[str, Any]
ROOT = Path(__file__).parent.parent.parent
_TASKS = [["mask"], ["box", "label"], ["points"], ["label"]]


def sound_configs(folder: Path) -> dict[str, Callable[[], Sections]]:
    """What makes each, by a name; those of files have them in ``folder``."""
    paths = sorted([*ROOT.glob("configs/*.yaml"), *ROOT.glob("experiments/*/*.yaml")])
    makers: dict[str, Callable[[], Sections]] = {path.stem: partial(_small, path) for path in paths}
    tables = load_tables()
    makers |= {f"dataset {name}": partial(_of_example, name, folder / name) for name in tables["dataset"]}
    for section in ("optimizer", "schedule", "predictions", "weighting"):
        makers |= {f"{section} {name}": partial(_of_section, section, name) for name in tables[section]}
    makers |= {f"augmentation {name}": partial(_of_augmentation, name) for name in tables["augmentation"]}
    makers |= {f"task {name}": partial(_of_task, name) for name in tables["task"]}
    makers |= {f"loss {name}": partial(_of_loss, name) for name in tables["loss"]}
    makers |= {f"model {name}": partial(_of_model, name) for name in tables["model"]}
    return makers


def _small(path: Path) -> Sections:
    """A shipped config on few samples, where they are rendered."""
    config = parse_yaml(path.read_text(encoding="utf-8"))
    dataset = config.get("dataset")
    if isinstance(dataset, dict) and "train" in dataset:
        config["dataset"] = dataset | {"size": 32, "train": 6, "val": 2, "test": 2}
    return config


def _of_example(name: str, folder: Path) -> Sections:
    options, targets = _example(name, folder)
    tasks = {key: {"name": info.kind} for key, info in targets.items()}
    return _config(dataset={"name": name, **options}, tasks=tasks)


def _of_section(section: str, name: str) -> Sections:
    return _config(tasks={"mask": {}, "depth": {}}, **{section: _complete(section, name)})


def _of_augmentation(name: str) -> Sections:
    return _config(augmentations=[_complete("augmentation", name)])


def _of_task(name: str) -> Sections:
    return _config(tasks={name: _complete("task", name)})


def _of_loss(name: str) -> Sections:
    term = {"weight": 0.5, **_complete("loss", name)}
    return _first_sound({"tasks": {task: {"loss": [term]}}} for task in load_tables()["task"])


def _of_model(name: str) -> Sections:
    model = _complete("model", name)
    return _first_sound({"model": model, "tasks": {task: {} for task in tasks}} for tasks in _TASKS)


def _config(**sections: Any) -> Sections:
    """Every section, most of the keys."""
    return {
        "seeds": [0, 1],
        "dataset": {"name": "scenes", "size": 24, "train": 6, "val": 2, "test": 2},
        "augmentations": [{"name": "color", "p": 0.5}],
        "model": {"name": "resunet", "widths": [4, 8]},
        "tasks": {"mask": {"weight": 2.0, "loss": "bce"}},
        "weighting": "fixed",
        "optimizer": {"name": "adamw", "learning_rate": 0.01},
        "schedule": "constant",
        "training": {"epochs": 2, "batch_size": 2, "workers": 0, "clip_norm": 1.0},
        "experiments": {"a": {}, "b": {"training.epochs": 3}},
        "baseline": "a",
    } | sections


def _complete(registry: str, name: str) -> Sections:
    """The component with each option that has a default, as plain values, under it."""
    own = {"loss": ("weight", "on"), "task": ("loss", "weight")}.get(registry, ())
    options = options_of(load_tables()[registry][name], REGISTRIES[registry].injected, own)
    return {"name": name, **json.loads(json.dumps(dict(options.defaults)))}


def _example(name: str, folder: Path) -> tuple[Sections, dict[str, TargetInfo]]:
    """The options that the data set's example in the tests is made with, and its targets."""
    folder.mkdir(parents=True)
    cls, made = DATASETS[name], {}
    construct = cls.__init__

    def noting(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self) is cls:
            bound = inspect.signature(construct).bind(self, *args, **kwargs).arguments
            made["options"] = {key: value for key, value in bound.items() if key != "self"}
        construct(self, *args, **kwargs)

    noting.__signature__ = inspect.signature(construct)
    with patch.object(cls, "__init__", noting):
        source = EXAMPLES[name](folder)
    return json.loads(json.dumps(made["options"])), dict(source.targets)


def _first_sound(sections: Iterable[Sections]) -> Sections:
    for each in sections:
        try:
            parse_suite(_config(**each))
        except ConfigError as error:
            last = error
        else:
            return _config(**each)
    raise last
