"""One run's folder, read once: what it was given, what came out, what it saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cnnlib.reporting.run_files import read_columns, read_yaml, typed, with_nan
from cnnlib.reporting.saved_predictions import SavedPredictions
from cnnlib.result_file import read_result
from cnnlib.tasks import Task
from cnnlib.tasks.class_counts import ClassCounts, counts_from_json
from cnnlib.tasks.saved import DataDescription, build_tasks, read_data
from cnnlib.types import CnnlibError, Target

RUN_FILES = {
    "metrics.csv": "left out of the training curves",
    "per_image.csv": "left out of the verdicts and of the choice of images",
    "config.yaml": "no pictures",
    "data.json": "no pictures",
}
"""What a finished run should have, and what follows where it has not."""


_DRAWN_BY = ("name", "seed", "families", "objects", "shares")
"""Options of data sets: other values, other pictures of the same names."""


@dataclass(frozen=True)
class RunResult:
    """A finished run. Metrics are keyed ``<task>/<metric>``; an undefined one is NaN."""

    folder: Path
    experiment: str
    seed: int
    result: Mapping[str, Any]
    """``result.json``."""
    history: Mapping[str, np.ndarray]
    """Column to values, one per epoch; empty if ``metrics.csv`` is missing."""
    per_image: Mapping[str, Mapping[str, float]]
    """Metric to image name to value; empty if ``per_image.csv`` is missing."""
    groups: Mapping[str, str]
    """Image name to what it shares with images that it is not independent of; its own name where that is none."""
    damaged: Mapping[str, str] = field(default_factory=dict)
    """Those of ``RUN_FILES`` that cannot be read, and why."""

    @property
    def test(self) -> dict[str, float]:
        return with_nan(self.result["test"])

    @property
    def constant(self) -> dict[str, float]:
        """The metrics of a predictor that gives the same output for every image, on the same test images."""
        return with_nan(self.result["constant"])

    @cached_property
    def by_class(self) -> dict[str, ClassCounts]:
        """Task to what it counted of classes on the test split; of those that have classes.

        Raises:
            CnnlibError: ``result.json`` is damaged there.
        """
        return counts_from_json(self.result.get("by_class", {}), self.folder / "result.json")

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """The files that should be there and are not, or are damaged."""
        return tuple(file for file in RUN_FILES if file in self.damaged or not (self.folder / file).exists())

    @cached_property
    def config(self) -> dict[str, Any]:
        """The run's sections as ``config.yaml`` has them, every value as text."""
        path = self.folder / "config.yaml"
        suite = read_yaml(path)
        experiments = suite.get("experiments", {})
        own = experiments.get(self.experiment) if isinstance(experiments, dict) else None
        config = suite | own if isinstance(own, dict) else suite
        tasks = config.get("tasks", {})
        if not isinstance(tasks, dict) or not all(isinstance(task, dict) for task in tasks.values()):
            raise CnnlibError(f"{path}: tasks must be a mapping, and each of them too")
        for name, task in tasks.items():
            if not isinstance(typed(task.get("weight", "1")), int | float):
                raise CnnlibError(f"{path}: tasks.{name}.weight must be a number; it is {task['weight']!r}")
        return config

    @cached_property
    def images(self) -> tuple[frozenset[str], tuple[Any, ...]] | None:
        """What distinguishes the test images of two experiments: their names (but of folds, where each seed has its
        own) and, as rendered ones are all called alike, the options that they are drawn by. ``None`` without these
        files.
        """
        if not self.groups or "config.yaml" in self.missing:
            return None
        dataset, names = self.config.get("dataset"), () if self.result.get("folds") else self.groups
        options = dataset if isinstance(dataset, dict) else {}
        return frozenset(names), tuple(str(options.get(key, "")) for key in _DRAWN_BY)

    @cached_property
    def data(self) -> DataDescription:
        return read_data(self.folder)

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """
        Raises:
            CnnlibError: ``config.yaml`` or ``data.json`` is missing, or its tasks cannot be built.
        """
        sections = {
            key: {option: typed(text) for option, text in section.items() if option not in ("loss", "weight")}
            for key, section in self.config.get("tasks", {}).items()
        }
        targets = self.data.targets
        try:
            return build_tasks(sections, targets)
        except CnnlibError as error:
            raise CnnlibError(f"{self.folder / 'config.yaml'}: {error}") from None

    @cached_property
    def predictions(self) -> SavedPredictions:
        return SavedPredictions(self.folder / "predictions")

    def picture(self, name: str) -> Tensor | None:
        """The input that the targets of the sample ``name`` belong to, float (3, H, W) in [0, 1]; if it was saved."""
        array = self.predictions.read("input", list(self.data.inputs)[-1], name)
        return None if array is None else torch.from_numpy(array).permute(2, 0, 1).float() / 255

    def prediction(self, task: str, name: str) -> Tensor | None:
        stored = self.predictions.read(task, name)
        return None if stored is None else self.tasks[task].load(stored)

    def target(self, task: str, name: str) -> Target | None:
        stored, picture = self.predictions.read("truth", task, name), self.picture(name)
        if stored is None or picture is None:
            return None
        own, mask = self.tasks[task], self.predictions.read("valid", task, name)
        value = own.as_value(own.load(stored))
        if mask is not None:
            return Target(value, torch.from_numpy(mask >= 128)[None])
        everywhere = torch.ones_like(own.missing(tuple(picture.shape[1:])).valid)
        if isinstance(stored, np.ndarray):
            return Target(value, everywhere)
        known = value.isfinite()  # in a row, what is not valid was left empty
        inner = known.flatten(everywhere.ndim).all(-1) if known.ndim > everywhere.ndim else known
        return Target(value.nan_to_num(), inner)


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that failed, or (``error`` is ``None``) has not ended."""

    folder: Path
    experiment: str
    seed: int
    error: str | None


def read_run(folder: Path, experiment: str, seed: int) -> RunResult | UnfinishedRun:
    """A run's folder. Whatever of it is damaged is named: a run without its result is unfinished, and one that has lost
    another file is shown without what that held.
    """
    try:
        result = read_result(folder)
    except CnnlibError as error:
        return UnfinishedRun(folder, experiment, seed, str(error))
    if result is None:
        return UnfinishedRun(folder, experiment, seed, None)
    if result["status"] == "failed":
        return UnfinishedRun(folder, experiment, seed, str(result.get("error", "no reason was noted")))
    damaged: dict[str, str] = {}
    history = _columns(folder / "metrics.csv", "epoch", (), damaged)
    per_image = _columns(folder / "per_image.csv", "name", ("name", "group"), damaged)
    names = per_image.pop("name", [])
    groups = per_image.pop("group", names)
    run = RunResult(
        folder,
        experiment,
        seed,
        result,
        {column: np.array(values) for column, values in history.items()},
        {metric: dict(zip(names, values, strict=True)) for metric, values in per_image.items()},
        dict(zip(names, groups, strict=True)),
    )
    return replace(run, damaged=damaged | _damaged_descriptions(run))


def _columns(path: Path, key: str, text: Sequence[str], damaged: dict[str, str]) -> dict[str, list[Any]]:
    """Of a table; none where it is damaged; the error is passed to ``damaged``."""
    try:
        found = read_columns(path, text)
    except CnnlibError as error:
        damaged[path.name] = str(error)
        return {}
    if path.exists() and key not in found:
        damaged[path.name] = f"{path}: has no row with the column {key}"
        return {}
    return found


def _damaged_descriptions(run: RunResult) -> dict[str, str]:
    """Those of the files that say what a run's tasks and data are, and why they cannot be used."""
    found = {}
    for file, read in (
        ("data.json", lambda: run.data),
        ("config.yaml", lambda: run.config if found else run.tasks),
    ):
        if file not in run.missing:
            try:
                read()
            except CnnlibError as error:
                found[file] = str(error)
    return found
