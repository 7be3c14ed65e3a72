"""A data set, its splits, and the batches that training and evaluation see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, get_args

from torch import Tensor
from torch.utils.data import DataLoader

from cnnlib.assembly.tasks import make_tasks, task_weights
from cnnlib.augmentations import AUGMENTATIONS, Pipeline
from cnnlib.config import ExperimentConfig, build
from cnnlib.config.schema import DatasetConfig, TrainingConfig
from cnnlib.datasets import DATASETS
from cnnlib.datasets.folds import fold_splits
from cnnlib.datasets.loading import balanced_weights, evaluation_loader, labelled, training_loader
from cnnlib.datasets.splits import Subset, repeated
from cnnlib.engine.overfitting import OVERFIT_STEPS
from cnnlib.tasks import Task
from cnnlib.types import CnnlibError, DataSource, Sample, SampleSource, Split


@dataclass(frozen=True)
class ExperimentData:
    """A data set as an experiment uses it."""

    source: DataSource
    tasks: dict[str, Task]
    all_train: SampleSource
    """The whole training split."""
    train: SampleSource
    """Its samples that have a label for a task that is trained."""
    val: SampleSource
    test: SampleSource
    skipped: Sequence[str] | None = None
    """The samples that were left out for their broken files; ``None`` where none may be."""
    weights: Tensor | None = None
    """How often each sample of ``train`` is drawn; ``None``: once in an epoch."""


class Loaders(NamedTuple):
    train: DataLoader[Sample]
    val: DataLoader[Sample]
    test: DataLoader[Sample]


def open_data(config: ExperimentConfig, seed: int, source: DataSource | None = None) -> ExperimentData:
    """The data set, its splits, and the tasks on it.

    Args:
        seed: the run's, which says what fold is tested on where there are folds.
        source: the data set, where it is open already.

    Raises:
        CnnlibError: the files cannot be used, a split is empty or has no label that is trained on, or a task does not
            fit the data.
    """
    source = build(config.dataset, DATASETS) if source is None else source
    if config.dataset.on_error == "skip":
        _skip_broken(config.dataset, source)
    if lacking := [name for name in ("inputs", "targets", "size") if not hasattr(source, name)]:
        raise CnnlibError(
            f"dataset {config.dataset.name!r}: it has no {' and no '.join(lacking)}; see cnnlib.types.DataSource"
        )
    tasks = make_tasks(config, source.targets)
    trained = [name for name, weight in task_weights(config).items() if weight > 0]
    fold = config.dataset.fold_of(seed)
    if fold is not None and getattr(source, "fixed_test", False):
        raise CnnlibError(
            f"dataset {config.dataset.name!r}: its test set is given, and folds would divide all samples anew: leave "
            "folds out, or what gives the test set"
        )
    if fold is None:
        splits = {part: source.split(part) for part in get_args(Split)}
    else:
        splits = fold_splits(source, config.dataset.folds, *fold)
    with_label: dict[str, SampleSource] = {}
    for part, samples in splits.items():
        if len(samples) == 0:
            raise CnnlibError(
                f"dataset {config.dataset.name!r}: its {part} split is empty; give it a sample or more"
            )
        with_label[part] = labelled(samples, trained)
        if len(with_label[part]) == 0:
            raise CnnlibError(
                f"dataset {config.dataset.name!r}: no sample of its {part} split has a label for "
                f"{' or '.join(trained)}; move labelled samples there, or split in another way"
            )
    train = repeated(with_label["train"], config.dataset.repeat)
    data = ExperimentData(
        source,
        tasks,
        splits["train"],
        train,
        splits["val"],
        splits["test"],
        getattr(source, "skipped", None),
    )
    if config.training.overfit_batches is not None:
        return _few_batches(data, config.training)
    return replace(data, weights=balanced_weights(train)) if config.dataset.balance else data


def _skip_broken(config: DatasetConfig, source: DataSource) -> None:
    if not hasattr(source, "skip_broken"):
        raise CnnlibError(
            f"dataset {config.name!r}: on_error: skip is for data sets of image files; leave it out"
        )
    source.skip_broken(config.max_skipped)


def _few_batches(data: ExperimentData, options: TrainingConfig) -> ExperimentData:
    """The first batches of the training split in all three; an epoch repeats them, whatever their classes. The
    constant predictor stays that of the whole training split: one taken from a single sample would be perfect on it.
    """
    count = min(len(data.train), options.overfit_batches * options.batch_size)
    few = Subset(data.train, range(count))
    repeats = math.ceil(OVERFIT_STEPS * options.batch_size / count)
    return replace(data, train=repeated(few, repeats), val=few, test=few)


def make_loaders(config: ExperimentConfig, data: ExperimentData, seed: int) -> Loaders:
    """Batches of the three splits; only the training split is shuffled and augmented, the latter not where a few
    batches are to be learned by heart.
    """
    batch_size, workers = config.training.batch_size, config.training.workers
    wanted = config.augmentations if config.training.overfit_batches is None else ()
    augmentations = [build(augmentation, AUGMENTATIONS) for augmentation in wanted]
    plain = Pipeline([], data.tasks)
    return Loaders(
        training_loader(
            data.train, Pipeline(augmentations, data.tasks), batch_size, workers, seed, data.weights
        ),
        evaluation_loader(data.val, plain, batch_size, workers),
        evaluation_loader(data.test, plain, batch_size, workers),
    )
