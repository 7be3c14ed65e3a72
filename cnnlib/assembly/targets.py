"""What the training targets show before anything is trained: can they be learned, and the constant predictor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from cnnlib.assembly.data import ExperimentData
from cnnlib.augmentations import Pipeline
from cnnlib.datasets.loading import evaluation_loader, labelled
from cnnlib.engine.evaluator import computed
from cnnlib.types import CnnlibError, Target

_MAX_SAMPLES = 5000  # of a larger training split, so many, spread evenly, settle the constant predictor


def measure_constant_predictor(data: ExperimentData) -> dict[str, float]:
    """What the best simple constant of each task, taken from the training targets, gets on the test split.

    It looks at no image: a result that is not far better has learned next to nothing from the images. ``Task.constant``
    of each kind says what it is. Of large training splits, 5000 samples settle it.

    Raises:
        CnnlibError: naming the task whose targets differ in shape, or of which there are none.
    """
    constants = {}
    for name, task in data.tasks.items():
        try:
            constants[name] = task.constant(targets_of(data, name))
        except CnnlibError as error:
            raise CnnlibError(f"tasks.{name}: {error}") from None
    metrics = {name: task.metric() for name, task in data.tasks.items()}
    for batch in evaluation_loader(data.test, Pipeline([], data.tasks), batch_size=16, workers=0):
        for name, metric in metrics.items():
            prediction = constants[name].expand(len(batch["image"]), *constants[name].shape)
            metric.update(prediction, *batch[name], batch["image"].shape[-2:])
    return computed(metrics)


def targets_of(data: ExperimentData, name: str, count: int | None = _MAX_SAMPLES) -> Iterator[Target]:
    """A task's targets, of at most ``count`` (``None``: all) of the training samples that have it, spread evenly.

    Raises:
        CnnlibError: a target that the task does not take; it names the sample.
    """
    samples = labelled(data.all_train, [name])
    count = len(samples) if count is None else min(len(samples), count)
    only = Pipeline([], {name: data.tasks[name]})
    for sample in (samples[int(index)] for index in np.linspace(0, len(samples) - 1, count).round()):
        if name in sample:
            yield only(sample)[name]


def valid_values(data: ExperimentData, name: str) -> Iterator[Tensor]:
    """The valid target values of every training sample that has the target, (N,) each."""
    return (data.tasks[name].valid_values(target) for target in targets_of(data, name, count=None))


def check_targets(data: ExperimentData, count: int) -> None:
    """Raises ``CnnlibError``, naming the task, if the targets of ``count`` training samples do not suit its options,
    or if nothing is valid in those of all training samples.
    """
    for name, task in data.tasks.items():
        try:
            values = [task.valid_values(target) for target in targets_of(data, name, count)]
            if values:
                task.check_values(torch.cat(values))
            if not any(map(len, values)) and not any(map(len, valid_values(data, name))):
                raise CnnlibError(
                    "no training sample has a valid target, so nothing could be learned; are the table's cells empty, "
                    "or all pixels of the files marked as not known?"
                )
        except CnnlibError as error:
            raise CnnlibError(f"tasks.{name}: {error}") from None
