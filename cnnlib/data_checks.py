"""What is checked of all data of a suite, and measured, before anything trains."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from cnnlib.assembly import (
    ExperimentData,
    check_pretrained,
    check_targets,
    measure_constant_predictor,
    open_data,
    refuse_leaks,
    shapes_of,
)
from cnnlib.datasets.fingerprints import Fingerprints
from cnnlib.parent_checks import check_names, check_weights
from cnnlib.runs import Run
from cnnlib.types import DataSource

_CHECKED_SAMPLES = 16
"""Samples of the training split whose targets are compared with what the tasks can predict."""


def with_checked_data(runs: Sequence[Run]) -> list[Run]:
    """The runs, each with the constant predictor's metrics on its data. Caches are filled on the way.

    Raises:
        CnnlibError: data are bad, two splits share a picture, or weights do not fit the run that starts from them.
    """
    checks = _DataChecks()
    related = {run.folder for run in runs if run.parent is not None} | {run.parent for run in runs}
    shapes, targets, prepared = {}, {}, []
    for run in runs:
        data = checks.checked(run)
        check_pretrained(run.config, data.tasks, data.source.inputs)
        if run.folder in related:
            shapes[run.folder] = shapes_of(run.config, data.tasks, data.source.inputs)
            targets[run.folder] = data.source.targets
        prepared.append(replace(run, constant=checks.constant(run, data)))
    check_names(runs, targets)
    check_weights(runs, shapes)
    return prepared


class _DataChecks:
    """Each data set is read once, for all runs that have it."""

    def __init__(self) -> None:
        self._sources: dict[str, DataSource] = {}
        self._fingerprints: dict[str, Fingerprints] = {}
        self._divisions: set[str] = set()
        self._constants: dict[str, dict[str, float]] = {}

    def checked(self, run: Run) -> ExperimentData:
        """The run's data. All files of a data set are checked when it is new, and leaks when its division is."""
        dataset = run.config.dataset.model_dump_json()
        data = open_data(run.config, run.seed, self._sources.get(dataset))
        if dataset not in self._sources:
            self._sources[dataset] = data.source
            self._fingerprints[dataset] = Fingerprints()
            if check := getattr(data.source, "check", None):
                check()
        if (division := _division(run)) not in self._divisions:
            self._divisions.add(division)
            refuse_leaks(run.config, data.source, run.seed, self._fingerprints[dataset])
        return data

    def constant(self, run: Run, data: ExperimentData) -> dict[str, float]:
        """The constant predictor's metrics, measured once for all runs on the same data and tasks."""
        tasks = {task: [each.name, each.options] for task, each in run.config.tasks.items()}
        training = run.config.training
        few = training.overfit_batches and training.overfit_batches * training.batch_size
        key = _division(run) + json.dumps([tasks, few], default=str)
        if key not in self._constants:
            check_targets(data, _CHECKED_SAMPLES)
            self._constants[key] = measure_constant_predictor(data)
        return self._constants[key]


def _division(run: Run) -> str:
    """What a run's splits depend on."""
    dataset = run.config.dataset
    return dataset.model_dump_json() + json.dumps(dataset.fold_of(run.seed))
