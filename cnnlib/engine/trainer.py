"""The loop: every epoch trains, validates, remembers the best, and can be picked up from where it was killed."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from cnnlib.engine.checkpoint import DamagedCheckpointError, load_checkpoint, load_weights, save_checkpoint
from cnnlib.engine.evaluator import evaluate, mean_score
from cnnlib.engine.freezing import Freezing
from cnnlib.engine.means import Means
from cnnlib.engine.objective import Objective
from cnnlib.engine.parameter_groups import learning_rates
from cnnlib.engine.schedule import Schedule
from cnnlib.engine.takeover import named_state
from cnnlib.engine.training_state import TrainingState, UnfitStateError, load_last
from cnnlib.engine.weighted_step import WeightedStep
from cnnlib.types import (
    Batch,
    CnnlibError,
    MetricLogger,
    PredictionSink,
    Progress,
    SplitMetric,
    TaskWeighting,
)

_STEPS_BETWEEN_READS = 10  # reading a loss makes an accelerator wait, so it is not done every step


class TrainingDivergedError(RuntimeError):
    """The loss is no longer a number; going on would only waste time."""


@dataclass
class Trainer:
    """Trains a model that Fabric has set up, and leaves ``last.ckpt`` and ``best.ckpt`` in ``folder``.

    Args:
        fabric: devices and precision.
        model, optimizer: as ``fabric.setup`` returned them.
        objective: the loss; validation looks at its sum, with the weights of the configuration, whatever the weighting.
        schedule: the learning rate.
        metrics: one per task; used on the validation split.
        folder: where the checkpoints go.
        net: which net this is, saved with its weights.
        epochs: passes over the training split.
        seed: everything random that is not a sample's own follows (seed, epoch).
        accumulate: batches per step.
        clip_norm: largest gradient norm.
        ema_decay: validate, and keep as best, an exponential moving average of the weights.
        patience: stop after so many epochs without a better validation score.
        freezing: which stages of the encoder are trained; ``None``: all.
        progress: shows how far training is.
        weighting: how the tasks' losses become one step.
    """

    fabric: Fabric
    model: nn.Module
    optimizer: Optimizer
    objective: Objective
    schedule: Schedule
    metrics: Mapping[str, SplitMetric]
    folder: Path
    net: str
    _: KW_ONLY
    epochs: int
    seed: int
    progress: Progress
    weighting: TaskWeighting
    accumulate: int = 1
    clip_norm: float | None = None
    ema_decay: float | None = None
    patience: int | None = None
    freezing: Freezing | None = None

    def __post_init__(self) -> None:
        self.state = TrainingState()
        self.average = None
        self.weighted = WeightedStep(self.fabric, self.model, self.objective, self.weighting, self.seed)
        if self.ema_decay is not None:
            update = get_ema_multi_avg_fn(self.ema_decay)
            self.average = AveragedModel(self.model.module, multi_avg_fn=update, use_buffers=True)

    def fit(
        self,
        train: DataLoader[Any],
        val: Iterable[Batch],
        sink: Callable[[int], PredictionSink] | None = None,
        loggers: Sequence[MetricLogger] = (),
    ) -> TrainingState:
        """Trains from ``state.epoch`` to the end.

        Args:
            train: batches whose sampler has an ``epoch`` to set.
            val: batches of the validation split.
            sink: given the epoch, where that epoch's validation predictions go.
            loggers: receive each epoch's numbers.

        Raises:
            TrainingDivergedError: a loss was NaN or infinite.
            CnnlibError: the validation split has no label for a trained task.
        """
        self.progress.start(self.epochs, len(train), self.state.epoch)
        while self.state.epochs_left(self.epochs, self.patience):
            began = time.perf_counter()
            epoch = self.state.epoch + 1
            row = {"epoch": epoch} | self.train_epoch(train, epoch)
            numbers = self.validate(val, [sink(epoch)] if sink else [])
            _refuse_divergence(numbers["loss"], f"on the validation split after epoch {epoch}")
            score = mean_score(self.objective.trained, numbers)
            if math.isnan(score):
                trained = ", ".join(self.objective.trained)
                raise CnnlibError(
                    f"no image of the validation split has a valid label for {trained}; give it some"
                )
            self.schedule.after_epoch(score)

            row |= {f"val/{key}": value for key, value in numbers.items()}
            self.state.epoch = epoch
            self.state.seconds += time.perf_counter() - began
            row["seconds"] = self.state.seconds
            self.state.history.append(row)
            for logger in loggers:
                logger.log_scalars(row, epoch)
            if (score, -numbers["loss"]) > (self.state.best_score, -self.state.best_loss):
                self.state.best_epoch, self.state.best_score, self.state.best_loss = (
                    epoch,
                    score,
                    numbers["loss"],
                )
                self._save_best()
            self.save()
            self.progress.epoch_done(row)
        self.progress.stop()
        return self.state

    @property
    def evaluated(self) -> nn.Module:
        """The bare module that validation looks at: the average where there is one."""
        return self.average.module if self.average else self.model.module

    def validate(self, val: Iterable[Batch], sinks: Sequence[PredictionSink] = ()) -> dict[str, float]:
        return evaluate(self.fabric, self.evaluated, val, self.objective, self.metrics, sinks)

    def _save_best(self) -> None:
        """The weights that validation looks at, and what the optimizer has gathered, for runs that start from them.

        Equal training gives equal bytes, whether it was interrupted or not.
        """
        save_checkpoint(
            self.folder / "best.ckpt",
            {
                "net": self.net,
                "model": self.evaluated.state_dict(),
                "optimizer": named_state(self.optimizer, self.model.module),
            },
        )

    def save(self) -> None:
        """Everything that the next epoch depends on, into ``last.ckpt``."""
        save_checkpoint(
            self.folder / "last.ckpt",
            {
                "net": self.net,
                "model": self.model.module.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "average": self.average.state_dict() if self.average else None,
                "weighting": self.weighting.state_dict(),
                "state": asdict(self.state),
            },
        )

    def resume(self) -> bool:
        """Goes on from ``last.ckpt``; false where training begins from the start: there is no such file, or it or
        ``best.ckpt`` is damaged.

        An epoch that was cut short is run again from its start. Its shuffling and augmentation are a function
        of (seed, epoch, sample), so that on a CPU the weights end the same, bit for bit, as in a run that nobody
        interrupted. (Some of PyTorch's CUDA kernels add in no fixed order.)
        """
        try:
            found = load_last(self.folder, self.net)
        except DamagedCheckpointError as error:
            print(f"{error.fault}; training begins again", file=sys.stderr)
            return False
        if found is None:
            return False
        saved, state = found
        path = self.folder / "last.ckpt"
        load_weights(self.model.module, saved["model"], path)
        try:
            self._restore(saved)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UnfitStateError(path, f"{type(error).__name__}: {error}") from None
        self.state = state
        return True

    def _restore(self, saved: Mapping[str, Any]) -> None:
        """All but the weights and the training state."""
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        if self.average:
            self.average.load_state_dict(saved["average"])
        self.weighting.load_state_dict(saved["weighting"])

    def load_best(self) -> None:
        """The weights that did best on the validation split, into the model that ``validate`` uses."""
        path = self.folder / "best.ckpt"
        load_weights(self.evaluated, load_checkpoint(path, self.net)["model"], path)

    def enter_training(self, epoch: int) -> None:
        """Training mode, but for what is frozen in ``epoch``."""
        self.model.train()
        if self.freezing:
            self.freezing.apply(epoch)

    @property
    def costliest_epoch(self) -> int:
        """One that takes as much time and memory as any."""
        return self.freezing.costliest_epoch if self.freezing else 1

    def train_epoch(self, train: DataLoader[Any], epoch: int) -> dict[str, float]:
        torch.manual_seed(self.seed * 1_000_003 + epoch)  # dropout and the like
        train.sampler.epoch = epoch
        self.enter_training(epoch)
        total_loss, means = torch.zeros((), device=self.fabric.device), Means()
        began = time.perf_counter()
        images = done = 0
        for step, batches in enumerate(_groups(train, self.accumulate)):
            self.begin_step(batches, epoch, step)
            for batch in map(self.fabric.to_device, batches):
                total, parts = self.backward(batch)
                done += 1
                images += len(batch["image"])
                total_loss += total.detach()
                means.add(parts)
                if (done - 1) % _STEPS_BETWEEN_READS == 0 or done == len(train):
                    loss = float(total_loss) / done
                    _refuse_divergence(loss, f"by batch {done} of epoch {epoch}")
                    self.progress.steps_done(done, loss, images / (time.perf_counter() - began))
            self.step()
        return (
            {
                "images_per_second": images / (time.perf_counter() - began),
                **learning_rates(self.optimizer),
                "train/loss": loss,
            }
            | {f"train/{key}": value for key, value in means.compute().items()}
            | self.weighted.end_epoch()
        )

    def begin_step(self, batches: Sequence[Batch], epoch: int, step: int) -> None:
        """Says which batches ``backward`` gets before ``step`` is called; ``step`` counts from 0 in each epoch."""
        self.weighted.begin(batches, epoch, step)

    def backward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Adds the gradient of one of the step's batches; the objective's sum for it, and the parts."""
        return self.weighted.backward(batch)

    def step(self) -> None:
        """Moves the weights by the gradient that ``backward`` has added up."""
        self.weighted.finish()
        if self.clip_norm is not None:
            self.fabric.clip_gradients(self.model, self.optimizer, max_norm=self.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.weighted.learn()
        self.schedule.after_step()
        if self.average:
            self.average.update_parameters(self.model)


def _groups(train: DataLoader[Any], accumulate: int) -> Iterator[list[Batch]]:
    """The batches of each step; the last step may have fewer."""
    batches = iter(train)
    while group := list(islice(batches, accumulate)):
        yield group


def _refuse_divergence(loss: float, when: str) -> None:
    if not math.isfinite(loss):
        raise TrainingDivergedError(
            f"the loss became {loss} {when}; lower optimizer.learning_rate or set training.clip_norm"
        )
