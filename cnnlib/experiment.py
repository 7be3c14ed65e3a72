"""One experiment: config to parts to result. The only place that knows everyone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader

from cnnlib.augmentations import AUGMENTATIONS, Pipeline
from cnnlib.config import ExperimentConfig, build, to_yaml
from cnnlib.datasets import DATASETS
from cnnlib.datasets.loading import evaluation_loader, training_loader
from cnnlib.datasets.statistics import mean_target
from cnnlib.engine.objective import Objective
from cnnlib.engine.optimizer import OPTIMIZERS
from cnnlib.engine.precision import best_precision
from cnnlib.engine.schedule import SCHEDULES
from cnnlib.engine.trainer import Trainer
from cnnlib.environment import environment, peak_memory_mib
from cnnlib.files import write_atomically, write_csv, write_json
from cnnlib.losses import LOSSES, CombinedLoss
from cnnlib.metrics import METRICS
from cnnlib.models import MODELS
from cnnlib.predictions import PERSISTERS
from cnnlib.reporting.history import HistoryFile
from cnnlib.reporting.progress import ConsoleProgress
from cnnlib.reporting.tensorboard import PanelSink, TensorBoardLogger
from cnnlib.tasks import TASKS, Task
from cnnlib.types import CnnlibError, DataSource, Predicted, PredictionSink, Sample, SampleSource, SplitMetric

_PANELS_AN_EPOCH = 4


@dataclass(frozen=True)
class Run:
    """One experiment under one seed, and the folder that is its own."""

    suite: str
    experiment: str
    seed: int
    config: ExperimentConfig
    folder: Path

    def config_text(self) -> str:
        """The YAML that repeats this run."""
        return to_yaml(self.config, self.suite, self.experiment, self.seed)


@dataclass(frozen=True)
class Setup:
    """What a run is made of: built from its config, nothing trained yet."""

    data: DataSource
    tasks: dict[str, Task]
    train: SampleSource
    train_loader: DataLoader[Sample]
    val_loader: DataLoader[Sample]
    test_loader: DataLoader[Sample]
    model: nn.Module
    trainer: Trainer
    metrics: dict[str, SplitMetric]
    precision: str
    ranked_by: list[dict[str, Any]]
    """``metric`` (``<task>/<name>``) and ``higher_is_better`` of each task, as ``result.json`` has it."""

    def persister(self, config: ExperimentConfig, out: Path) -> PredictionSink:
        return build(
            config.predictions, PERSISTERS, out=out, tasks=self.tasks, image_names=self.data.image_names
        )


def set_up(run: Run) -> Setup:
    """Data, net, loss, optimizer and trainer of a run; the same for the same run.

    Raises:
        CnnlibError: the data cannot be used.
    """
    config, options = run.config, run.config.training

    # Data
    data: DataSource = build(config.dataset, DATASETS)
    tasks = build_tasks(config)
    train, val, test = data.split("train"), data.split("val"), data.split("test")
    augmented = Pipeline([build(augmentation, AUGMENTATIONS) for augmentation in config.augmentations], tasks)
    plain = Pipeline([], tasks)
    train_loader = training_loader(train, augmented, options.batch_size, options.workers, run.seed)

    # Model, loss, optimizer
    torch.manual_seed(run.seed)
    fabric, precision = make_fabric(options.precision)
    bare = build_model(config, tasks, data.image_names).to(memory_format=torch.channels_last)
    objective = build_objective(config, tasks, train).to(fabric.device)
    optimizer = build(config.optimizer, OPTIMIZERS, parameters=bare.parameters())
    steps = options.epochs * math.ceil(len(train_loader) / options.accumulate)
    schedule = build(config.schedule, SCHEDULES, optimizer=optimizer, total_steps=steps)
    model, optimizer = fabric.setup(bare, optimizer)
    metrics = {name: METRICS[task.kind]().to(fabric.device) for name, task in tasks.items()}
    ranked_by = [
        {"metric": f"{name}/{task.main_metric}", "higher_is_better": task.higher_is_better}
        for name, task in tasks.items()
    ]
    trainer = Trainer(
        fabric,
        model,
        optimizer,
        objective,
        schedule,
        metrics,
        run.folder / "checkpoints",
        epochs=options.epochs,
        seed=run.seed,
        progress=ConsoleProgress(
            f"{run.experiment} seed {run.seed}", [f"val/{ranked['metric']}" for ranked in ranked_by]
        ),
        accumulate=options.accumulate,
        clip_norm=options.clip_norm,
        ema_decay=options.ema_decay,
        patience=options.patience,
    )
    return Setup(
        data,
        tasks,
        train,
        train_loader,
        evaluation_loader(val, plain, options.batch_size, options.workers),
        evaluation_loader(test, plain, options.batch_size, options.workers),
        bare,
        trainer,
        metrics,
        precision,
        ranked_by,
    )


def run_experiment(run: Run) -> dict[str, Any]:
    """Trains, tests and saves; picks up from the last checkpoint where the run's folder holds one.

    Returns:
        What ``result.json`` holds.

    Raises:
        CnnlibError: the data or a checkpoint cannot be used.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    write_atomically(run.folder / "config.yaml", run.config_text())
    setup = set_up(run)
    trainer, metrics = setup.trainer, setup.metrics
    device = trainer.fabric.device
    write_json(run.folder / "environment.json", environment(device, setup.precision))

    # Training
    trainer.resume()
    tensorboard = TensorBoardLogger(run.folder, purge_step=trainer.state.epoch + 1)
    trainer.loggers = [tensorboard, HistoryFile(run.folder / "metrics.csv", trainer.state.history)]
    state = trainer.fit(
        setup.train_loader,
        setup.val_loader,
        lambda epoch: PanelSink(tensorboard, setup.tasks, setup.data.image_names, epoch, _PANELS_AN_EPOCH),
    )

    # Test
    trainer.load_best()
    names = Names()
    persister = setup.persister(run.config, run.folder / "predictions")
    numbers = trainer.validate(setup.test_loader, [persister, names])
    persister.close()
    write_per_image(run.folder / "per_image.csv", names, metrics)

    # Result
    result = {
        "suite": run.suite,
        "experiment": run.experiment,
        "seed": run.seed,
        "status": "finished",
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "seconds": state.seconds,
        "images_per_second": sum(row["images_per_second"] for row in state.history) / len(state.history),
        "peak_memory_mib": peak_memory_mib(device),
        "parameters": sum(parameter.numel() for parameter in setup.model.parameters()),
        "test": numbers,
        "mean_image": measure_mean_image(setup.tasks, setup.train, setup.test_loader, metrics),
        "ranked_by": setup.ranked_by,
    }
    tensorboard.log_hparams(
        hyperparameters(run.config, run.seed),
        {f"test/{ranked['metric']}": numbers[ranked["metric"]] for ranked in setup.ranked_by},
    )
    tensorboard.close()
    write_json(run.folder / "result.json", result)
    return result


def make_fabric(precision: str) -> tuple[Fabric, str]:
    """One device, and the precision that ``auto`` stands for on it."""
    # Not Fabric's "auto", which takes Apple's GPU: it has no float64, which the metrics add up in.
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    fabric = Fabric(accelerator=accelerator, devices=1, precision="32-true")
    chosen = best_precision(fabric.device) if precision == "auto" else precision
    return fabric if chosen == "32-true" else Fabric(
        accelerator=accelerator, devices=1, precision=chosen
    ), chosen


def build_tasks(config: ExperimentConfig) -> dict[str, Task]:
    return {name: build(task, TASKS) for name, task in config.tasks.items()}


def build_model(
    config: ExperimentConfig, tasks: Mapping[str, Task], image_names: tuple[str, ...]
) -> nn.Module:
    outputs = {name: task.channels for name, task in tasks.items()}
    return build(config.model, MODELS, in_channels=3 * len(image_names), outputs=outputs)


def build_objective(config: ExperimentConfig, tasks: Mapping[str, Task], train: SampleSource) -> Objective:
    """The tasks' losses, each shown the training targets in case it learns something from them."""
    losses = {}
    for name, task in config.tasks.items():
        terms = {term.name: (build(term, LOSSES), term.weight) for term in task.loss}
        for loss, _ in terms.values():
            loss.prepare(valid_targets((train[index] for index in range(len(train))), name))
        losses[name] = CombinedLoss(terms)
    return Objective(tasks, losses, {name: task.weight for name, task in config.tasks.items()})


def valid_targets(samples: Iterable[Sample], task: str) -> Iterator[Tensor]:
    """The target values of every sample, those that are valid, (N,)."""
    for sample in samples:
        target, valid = sample[task], sample.get(f"{task}_valid")
        yield target.flatten() if valid is None else target[valid]


def check_targets(config: ExperimentConfig, samples: Iterable[Sample]) -> None:
    """Raises ``CnnlibError``, naming the task, if the targets of ``samples`` are not what its options suit."""
    for name, task in build_tasks(config).items():
        values = torch.cat(list(valid_targets(samples, name)))
        try:
            task.check_targets(values)
        except CnnlibError as error:
            raise CnnlibError(f"tasks.{name}: {error}") from None


def measure_mean_image(
    tasks: Mapping[str, Task], train: SampleSource, test: Any, metrics: Mapping[str, SplitMetric]
) -> dict[str, float]:
    """What the test split gives to a predictor that knows only the training set's mean target.

    A result that is not far better than this has learned next to nothing from the images.
    """
    means = {name: mean_target(train, name)[0] for name in tasks}
    for metric in metrics.values():
        metric.reset()
    for batch in test:
        for name, metric in metrics.items():
            target, valid = batch[name], batch[f"{name}_valid"]
            metric.update(means[name].expand_as(target), target, valid)
    return {
        f"{name}/{key}": float(value)
        for name, metric in metrics.items()
        for key, value in metric.compute().items()
    }


def hyperparameters(config: ExperimentConfig, seed: int) -> dict[str, str | float]:
    """The config as TensorBoard's table wants it: flat, and only strings and numbers."""
    flat: dict[str, str | float] = {"seed": seed}

    def flatten(path: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, item in value.items():
                flatten(f"{path}.{key}" if path else str(key), item)
        elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
            flat[path] = " + ".join(map(in_brief, value))
        else:
            flat[path] = value if isinstance(value, int | float | str) else str(value)

    def in_brief(component: Mapping[str, Any]) -> str:
        options = [f"{key}={value}" for key, value in component.items() if key != "name"]
        return " ".join([component["name"], *options])

    flatten("", config.flat())
    return flat


class Names:
    """A sink that keeps the samples' names and groups, in the order in which the metrics saw them."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []

    def write(self, sample: Predicted) -> None:
        self.rows.append({"name": sample.name, "group": sample.group})

    def close(self) -> None:
        pass


def write_per_image(path: Path, names: Names, metrics: Mapping[str, SplitMetric]) -> None:
    columns = {
        f"{task}/{key}": values.tolist()
        for task, metric in metrics.items()
        for key, values in metric.per_image().items()
    }
    rows = [
        row | {key: values[index] for key, values in columns.items()} for index, row in enumerate(names.rows)
    ]
    write_csv(path, ["name", "group", *columns], rows)
