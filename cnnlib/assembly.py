"""From a configuration to parts: data, tasks, model, losses, trainer."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader

from cnnlib.augmentations import AUGMENTATIONS, Pipeline
from cnnlib.config import Component, ExperimentConfig, build
from cnnlib.config.schema import FreezeConfig, TrainingConfig
from cnnlib.datasets import DATASETS
from cnnlib.datasets.folds import fold_splits
from cnnlib.datasets.loading import balancing_weights, evaluation_loader, labelled, training_loader
from cnnlib.datasets.splits import Subset, repeated
from cnnlib.engine.evaluator import computed
from cnnlib.engine.freezing import Freezing, encoder_stages
from cnnlib.engine.lr_finder import RangeTest, range_test
from cnnlib.engine.memory import MemoryForecast, forecast_memory
from cnnlib.engine.objective import Objective
from cnnlib.engine.optimizer import OPTIMIZERS
from cnnlib.engine.overfitting import OVERFIT_STEPS
from cnnlib.engine.parameter_groups import parameter_groups, scale_learning_rates
from cnnlib.engine.precision import best_precision
from cnnlib.engine.schedule import SCHEDULES
from cnnlib.engine.trainer import Trainer
from cnnlib.losses import LOSSES, CombinedLoss
from cnnlib.models import MODELS
from cnnlib.reporting.progress import SilentProgress
from cnnlib.tasks import Task
from cnnlib.tasks.saved import build_tasks
from cnnlib.types import CnnlibError, DataSource, Progress, Sample, SampleSource, Split, Target, TargetInfo

_MAX_SAMPLES = 5000  # of a larger training split, so many, spread evenly, settle the constant predictor


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


class Loaders(NamedTuple):
    train: DataLoader[Sample]
    val: DataLoader[Sample]
    test: DataLoader[Sample]


# Data


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
    if lacking := [name for name in ("inputs", "targets", "size") if not hasattr(source, name)]:
        raise CnnlibError(
            f"dataset {config.dataset.name!r}: it has no {' and no '.join(lacking)}; see cnnlib.types.DataSource"
        )
    tasks = make_tasks(config, source.targets)
    trained = [name for name, weight in task_weights(config).items() if weight > 0]
    fold = config.dataset.fold_of(seed)
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
    data = ExperimentData(source, tasks, splits["train"], train, splits["val"], splits["test"])
    return data if config.training.overfit_batches is None else _few_batches(data, config.training)


def _few_batches(data: ExperimentData, options: TrainingConfig) -> ExperimentData:
    """The first batches of the training split in all three; an epoch repeats them. The constant predictor stays that
    of the whole training split: one taken from a single sample would be perfect on it.
    """
    count = min(len(data.train), options.overfit_batches * options.batch_size)
    few = Subset(data.train, range(count))
    repeats = math.ceil(OVERFIT_STEPS * options.batch_size / count)
    return replace(data, train=repeated(few, repeats), val=few, test=few)


def make_tasks(config: ExperimentConfig, targets: Mapping[str, TargetInfo]) -> dict[str, Task]:
    sections = {name: {"name": task.name, **task.options} for name, task in config.tasks.items()}
    return build_tasks(sections, targets)


def make_loaders(config: ExperimentConfig, data: ExperimentData, seed: int) -> Loaders:
    """Batches of the three splits; only the training split is shuffled and augmented, the latter not where a few
    batches are to be learned by heart.
    """
    batch_size, workers = config.training.batch_size, config.training.workers
    wanted = config.augmentations if config.training.overfit_batches is None else ()
    augmentations = [build(augmentation, AUGMENTATIONS) for augmentation in wanted]
    plain = Pipeline([], data.tasks)
    weights = balancing_weights(data.train) if config.dataset.balance else None
    return Loaders(
        training_loader(data.train, Pipeline(augmentations, data.tasks), batch_size, workers, seed, weights),
        evaluation_loader(data.val, plain, batch_size, workers),
        evaluation_loader(data.test, plain, batch_size, workers),
    )


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


# Training


def make_trainer(
    config: ExperimentConfig, data: ExperimentData, seed: int, folder: Path, progress: Progress
) -> Trainer:
    """Model, losses, optimizer and schedule in a trainer; the same for the same arguments.

    Args:
        folder: where the checkpoints go.
    """
    options = config.training
    torch.manual_seed(seed)
    fabric = make_fabric(resolve_precision(options.precision))
    net = describe_net(config, data.tasks, data.source.inputs)
    model = make_model(config, data.tasks, data.source.inputs).to(memory_format=torch.channels_last)
    if hasattr(model, "load_pretrained"):  # not where weights are loaded that the net was trained to
        model.load_pretrained()
    objective = make_objective(config, data).to(fabric.device)
    factors = config.learning_rate_factors
    groups = parameter_groups(model, None if factors is None else factors.model_dump())
    optimizer = build(config.optimizer, OPTIMIZERS, parameters=groups)
    scale_learning_rates(optimizer)
    batches = max(1, len(data.train) // options.batch_size)  # as the training loader counts
    steps = options.epochs * math.ceil(batches / options.accumulate)
    schedule = build(config.schedule, SCHEDULES, optimizer=optimizer, total_steps=steps)
    model, optimizer = fabric.setup(model, optimizer)
    return Trainer(
        fabric,
        model,
        optimizer,
        objective,
        schedule,
        {name: task.metric().to(fabric.device) for name, task in data.tasks.items()},
        folder,
        net,
        epochs=options.epochs,
        seed=seed,
        progress=progress,
        accumulate=options.accumulate,
        clip_norm=options.clip_norm,
        ema_decay=options.ema_decay,
        patience=options.patience,
        freezing=None if config.freeze is None else make_freezing(config.freeze, model.module),
    )


def make_freezing(freeze: FreezeConfig, model: nn.Module) -> Freezing:
    """
    Raises:
        CnnlibError: the model's encoder has no stages, or fewer.
    """
    trained = {1: freeze.trained_stages} | {step.epoch: step.trained_stages for step in freeze.unfreeze}
    stages = encoder_stages(model, "freeze")
    return Freezing(stages, {epoch: None if count == "all" else count for epoch, count in trained.items()})


def find_learning_rate(
    config: ExperimentConfig,
    data: ExperimentData,
    seed: int,
    begin: Callable[[Trainer], None] = lambda trainer: None,
) -> RangeTest:
    """A range test on a model and batches of its own: what the seed's run would train first; nothing is written.

    Args:
        begin: brings a fresh trainer to where the run's training begins.

    Raises:
        CnnlibError: no learning rate makes the loss fall.
    """
    alone = config.model_copy(update={"schedule": Component(name="constant")})
    trainer = make_trainer(alone, data, seed, Path(), SilentProgress())
    begin(trainer)
    return range_test(trainer, make_loaders(config, data, seed).train)


def with_learning_rate(config: ExperimentConfig, rate: float) -> ExperimentConfig:
    """``config`` with that number in the place of ``auto``."""
    options = config.optimizer.options | {"learning_rate": rate}
    optimizer = config.optimizer.model_copy(update={"options": options})
    return config.model_copy(update={"optimizer": optimizer})


def finds_learning_rate(config: ExperimentConfig) -> bool:
    return config.optimizer.options.get("learning_rate") == "auto"


def expect_memory(config: ExperimentConfig, data: ExperimentData, trainer: Trainer) -> MemoryForecast:
    """What training with ``trainer`` will need, judged by the first training image."""
    options = config.training
    return forecast_memory(
        trainer.model.module,
        lambda parameters: build(config.optimizer, OPTIMIZERS, parameters=parameters),
        data.train[0]["image"],
        min(options.batch_size, len(data.train)),
        trainer.fabric.autocast,
        copies=int(options.ema_decay is not None),
        device=trainer.fabric.device,
    )


def resolve_precision(precision: str) -> str:
    """What ``auto`` stands for here."""
    return best_precision(torch.device(_accelerator())) if precision == "auto" else precision


def make_fabric(precision: str) -> Fabric:
    """One device."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # environment.json tells the precision
    return Fabric(accelerator=_accelerator(), devices=1, precision=precision)


def _accelerator() -> str:
    # Not Fabric's "auto", which takes Apple's GPU: it has no float64, which the metrics add up in.
    return "cuda" if torch.cuda.is_available() else "cpu"


def make_model(config: ExperimentConfig, tasks: Mapping[str, Task], inputs: Mapping[str, int]) -> nn.Module:
    heads = {name: task.head for name, task in tasks.items()}
    return build(config.model, MODELS, in_channels=sum(inputs.values()), heads=heads)


def describe_net(config: ExperimentConfig, tasks: Mapping[str, Task], inputs: Mapping[str, int]) -> str:
    """Which net it is, in a line: checkpoints carry it, and are refused by any other."""
    options = ", ".join(f"{name}={value}" for name, value in config.model.options.items())
    heads = ", ".join(f"{name} {task.head.shape} {task.head.channels}" for name, task in tasks.items())
    return f"{config.model.name}({options}) from {sum(inputs.values())} channels to {heads}"


def make_objective(config: ExperimentConfig, data: ExperimentData) -> Objective:
    """The tasks' losses; those that learn something from the training targets are shown them.

    Raises:
        CnnlibError: a loss does not fit what the task offers on these data.
    """
    losses = {}
    for name, task in config.tasks.items():
        terms: dict[str, tuple[nn.Module, float, str]] = {}
        for term in task.loss:
            loss = build(term, LOSSES)
            compared = [each for each in loss.compares(data.tasks[name]) if term.on in (None, each)]
            if not compared:
                offered = ", ".join(data.tasks[name].values)
                raise CnnlibError(
                    f"tasks.{name}.loss: {term.name!r} does not fit the task on these data; it offers {offered}"
                )
            loss.prepare(valid_values(data, name))
            terms[term.name] = loss, term.weight, compared[0]
        losses[name] = CombinedLoss(terms)
    return Objective(data.tasks, losses, task_weights(config))


def valid_values(data: ExperimentData, name: str) -> Iterator[Tensor]:
    """The valid target values of every training sample that has the target, (N,) each."""
    return (data.tasks[name].valid_values(target) for target in targets_of(data, name, count=None))


def task_weights(config: ExperimentConfig) -> dict[str, float]:
    """The weight of each task's loss; 0 where all its terms have a weight of 0."""
    return {
        name: task.weight if any(term.weight > 0 for term in task.loss) else 0.0
        for name, task in config.tasks.items()
    }
