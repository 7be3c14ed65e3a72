"""Model, losses, optimizer and schedule in a trainer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim import Optimizer

from cnnlib.assembly.data import ExperimentData
from cnnlib.assembly.model import describe_net, make_fabric, make_model, resolve_precision
from cnnlib.assembly.normalize import training_statistics
from cnnlib.assembly.targets import valid_values
from cnnlib.assembly.tasks import task_weights
from cnnlib.config import ExperimentConfig, build
from cnnlib.engine.freezing import Freezing
from cnnlib.engine.memory import MemoryForecast, forecast_memory
from cnnlib.engine.objective import Objective
from cnnlib.engine.optimizer import OPTIMIZERS
from cnnlib.engine.parameter_groups import parameter_groups, set_learning_rate
from cnnlib.engine.schedule import SCHEDULES
from cnnlib.engine.trainer import Trainer
from cnnlib.losses import LOSSES, CombinedLoss
from cnnlib.models.standardization import set_channel_statistics
from cnnlib.types import CnnlibError, Progress
from cnnlib.weighting import WEIGHTINGS


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
    if statistics := training_statistics(config, data, seed):
        set_channel_statistics(model, *statistics)
    objective = make_objective(config, data).to(fabric.device)
    optimizer = make_optimizer(config, model)
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
        weighting=build(config.weighting, WEIGHTINGS, tasks=tuple(objective.trained)),
        accumulate=options.accumulate,
        clip_norm=options.clip_norm,
        ema_decay=options.ema_decay,
        patience=options.patience,
        freezing=make_freezing(config, model.module),
    )


def make_optimizer(config: ExperimentConfig, model: nn.Module) -> Optimizer:
    """
    Raises:
        CnnlibError: there are factors of learning rates, and the model provides no stages of its encoder.
    """
    if config.learning_rate_factors is None:
        return build(config.optimizer, OPTIMIZERS, parameters=model.parameters())
    try:
        groups = parameter_groups(model, config.learning_rate_factors.model_dump())
    except CnnlibError as error:
        raise CnnlibError(f"learning_rate_factors: {error}") from None
    optimizer = build(config.optimizer, OPTIMIZERS, parameters=groups)
    set_learning_rate(optimizer, optimizer.param_groups[0]["lr"])
    return optimizer


def make_freezing(config: ExperimentConfig, model: nn.Module) -> Freezing | None:
    """``None`` where nothing is ever frozen.

    Raises:
        CnnlibError: the model's encoder has no stages, or fewer.
    """
    if config.freeze is None:
        return None
    try:
        return Freezing(model, config.freeze.trained())
    except CnnlibError as error:
        raise CnnlibError(f"freeze: {error}") from None


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


def expect_memory(config: ExperimentConfig, data: ExperimentData, trainer: Trainer) -> MemoryForecast:
    """What training with ``trainer`` will need, judged by the first training image."""
    trainer.enter_training(trainer.costliest_epoch)
    batch_size = min(config.training.batch_size, len(data.train))
    beside = trainer.weighted.bytes_apart(config.training.accumulate)
    shape = data.train[0]["image"].shape
    return step_memory(config, trainer.model.module, shape, trainer.fabric, batch_size, beside)


def step_memory(
    config: ExperimentConfig,
    model: nn.Module,
    image_shape: Sequence[int],
    fabric: Fabric,
    batch_size: int,
    beside: int = 0,
) -> MemoryForecast:
    """What a step will need of ``model`` as it stands: in training, and partly frozen where it is.

    Args:
        image_shape: (C, H, W).
        beside: further bytes, such as those of the tasks' gradients apart.
    """
    return forecast_memory(
        model,
        lambda parameters: build(config.optimizer, OPTIMIZERS, parameters=parameters),
        image_shape,
        batch_size,
        fabric.autocast,
        copies=int(config.training.ema_decay is not None),
        device=fabric.device,
        beside=beside,
    )
