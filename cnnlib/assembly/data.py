"""A data set, its splits, and the batches that training and evaluation see."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, get_args

from torch import Tensor
from torch.utils.data import DataLoader

from cnnlib.assembly.loader_workers import automatic_workers, loading_seconds
from cnnlib.assembly.tasks import make_tasks, task_weights
from cnnlib.augmentations import AUGMENTATIONS, Pipeline
from cnnlib.config import ExperimentConfig, build
from cnnlib.config.schema import DatasetConfig, TrainingConfig
from cnnlib.datasets import DATASETS
from cnnlib.datasets.decoded import Decoded
from cnnlib.datasets.fingerprints import Fingerprints
from cnnlib.datasets.folds import fold_splits
from cnnlib.datasets.leaks import check_leaks, find_leaks
from cnnlib.datasets.loading import balanced_weights, evaluation_loader, labelled, training_loader
from cnnlib.datasets.splits import Subset, repeated
from cnnlib.engine.overfitting import OVERFIT_STEPS
from cnnlib.tasks import Task
from cnnlib.types import CnnlibError, DataSource, Sample, SampleSource, Split
from cnnlib.workers import usable_cores


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
    source = _make_source(config.dataset) if source is None else source
    if lacking := [name for name in ("inputs", "targets", "size") if not hasattr(source, name)]:
        raise CnnlibError(
            f"dataset {config.dataset.name!r}: it has no {' and no '.join(lacking)}; see cnnlib.types.DataSource"
        )
    tasks = make_tasks(config, source.targets)
    trained = [name for name, weight in task_weights(config).items() if weight > 0]
    splits = splits_of(config, source, seed)
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


def _make_source(config: DatasetConfig) -> DataSource:
    source = build(config, DATASETS)
    if config.on_error == "skip":
        _skip_broken(config, source)
    return Decoded(source, config.name, config.options, config.cache_limit) if config.cache else source


def _skip_broken(config: DatasetConfig, source: DataSource) -> None:
    if not hasattr(source, "skip_broken"):
        raise CnnlibError(
            f"dataset {config.name!r}: on_error: skip is for data sets of image files; leave it out"
        )
    source.skip_broken(config.max_skipped)


def splits_of(config: ExperimentConfig, source: DataSource, seed: int) -> dict[Split, SampleSource]:
    """The data set's splits, or those of the fold that the run under ``seed`` is tested on."""
    fold = config.dataset.fold_of(seed)
    if fold is None:
        return {part: source.split(part) for part in get_args(Split)}
    if getattr(source, "fixed_test", False):
        raise CnnlibError(
            f"dataset {config.dataset.name!r}: its test set is given, and folds would divide all samples anew: leave "
            "folds out, or what gives the test set"
        )
    return fold_splits(source, config.dataset.folds, *fold)


def refuse_leaks(config: ExperimentConfig, source: DataSource, seed: int, fingerprints: Fingerprints) -> None:
    """Reports on stderr what two splits share.

    Args:
        fingerprints: what was read of the data set's files for other folds.

    Raises:
        CnnlibError: two splits share files of equal content, and ``leaks: allow`` is not set.
    """
    leaks = find_leaks(splits_of(config, source, seed), fingerprints)
    if words := check_leaks(f"dataset {config.dataset.name!r}", leaks, config.dataset.leaks == "allow"):
        print(words, file=sys.stderr)


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
    plain, augmented = Pipeline([], data.tasks), Pipeline(augmentations, data.tasks)
    if workers == "auto":
        workers = automatic_workers(loading_seconds(data.train, augmented), usable_cores())
    return Loaders(
        training_loader(data.train, augmented, batch_size, workers, seed, data.weights),
        evaluation_loader(data.val, plain, batch_size, workers),
        evaluation_loader(data.test, plain, batch_size, workers),
    )
