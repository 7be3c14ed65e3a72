"""The loop: every epoch trains, validates, remembers the best, and can be picked up from where it was killed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from cnnlib.engine.checkpoint import load_checkpoint, load_weights, save_checkpoint
from cnnlib.engine.evaluator import evaluate, mean_score
from cnnlib.engine.freezing import Freezing
from cnnlib.engine.means import Means
from cnnlib.engine.objective import Objective
from cnnlib.engine.parameter_groups import learning_rates
from cnnlib.engine.schedule import Schedule
from cnnlib.engine.takeover import named_state
from cnnlib.types import Batch, CnnlibError, MetricLogger, PredictionSink, Progress, SplitMetric

_STEPS_BETWEEN_READS = 10  # reading a loss makes an accelerator wait, so it is not done every step


class TrainingDivergedError(RuntimeError):
    """The loss is no longer a number; going on would only waste time."""


@dataclass
class TrainingState:
    """Training state, saved with every checkpoint."""

    epoch: int = 0
    best_epoch: int = 0
    best_score: float = -math.inf
    best_loss: float = math.inf
    """The validation loss of the best epoch, which decides between equal scores: a coarse metric can stand still."""
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass
class Trainer:
    """Trains a model that Fabric has set up, and leaves ``last.ckpt`` and ``best.ckpt`` in ``folder``.

    Args:
        fabric: devices and precision.
        model, optimizer: as ``fabric.setup`` returned them.
        objective: the loss.
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
    accumulate: int = 1
    clip_norm: float | None = None
    ema_decay: float | None = None
    patience: int | None = None
    freezing: Freezing | None = None

    def __post_init__(self) -> None:
        self.state = TrainingState()
        self.average = None
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
        while self.state.epoch < self.epochs and not self._out_of_patience():
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
                "state": asdict(self.state),
            },
        )

    def resume(self) -> bool:
        """Picks up from ``last.ckpt``; false where there is none.

        An epoch that was cut short is run again from its start. Its shuffling and augmentation are a function
        of (seed, epoch, sample), so that on a CPU the weights end the same, bit for bit, as in a run that nobody
        interrupted. (Some of PyTorch's CUDA kernels add in no fixed order.)
        """
        path = self.folder / "last.ckpt"
        if not path.exists():
            return False
        saved = load_checkpoint(path, self.net)
        load_weights(self.model.module, saved["model"], path)
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        if self.average:
            self.average.load_state_dict(saved["average"])
        self.state = TrainingState(**saved["state"])
        return True

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
        images = 0
        for index, batch in enumerate(train):
            batch = self.fabric.to_device(batch)
            group_start = index - index % self.accumulate
            group = min(self.accumulate, len(train) - group_start)
            total, parts = self.backward(batch, group)
            if index == group_start + group - 1:
                self.step()
            images += len(batch["image"])
            total_loss += total.detach()
            means.add(parts)
            if index % _STEPS_BETWEEN_READS == 0 or index == len(train) - 1:
                loss = float(total_loss) / (index + 1)
                _refuse_divergence(loss, f"by batch {index + 1} of epoch {epoch}")
                self.progress.steps_done(index + 1, loss, images / (time.perf_counter() - began))
        return {
            "images_per_second": images / (time.perf_counter() - began),
            **learning_rates(self.optimizer),
            "train/loss": loss,
        } | {f"train/{key}": value for key, value in means.compute().items()}

    def backward(self, batch: Batch, group: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Adds the gradient of one of the ``group`` batches of a step; the objective's sum for it, and the parts."""
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        total, parts = self.objective(self.model(image), batch)
        self.fabric.backward(total / group)
        return total, parts

    def step(self) -> None:
        """Moves the weights by the gradient that ``backward`` has added up."""
        if self.clip_norm is not None:
            self.fabric.clip_gradients(self.model, self.optimizer, max_norm=self.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.after_step()
        if self.average:
            self.average.update_parameters(self.model)

    def _out_of_patience(self) -> bool:
        return self.patience is not None and self.state.epoch - self.state.best_epoch >= self.patience


def _refuse_divergence(loss: float, when: str) -> None:
    if not math.isfinite(loss):
        raise TrainingDivergedError(
            f"the loss became {loss} {when}; lower optimizer.learning_rate or set training.clip_norm"
        )
