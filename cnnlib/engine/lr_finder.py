"""The learning-rate range test (Smith, 2017, "Cyclical Learning Rates for Training Neural Networks")."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import nn
from torch.utils.data import DataLoader

from cnnlib.engine.means import Means
from cnnlib.engine.objective import Objective
from cnnlib.engine.parameter_groups import set_learning_rate
from cnnlib.engine.trainer import Trainer
from cnnlib.types import Batch, CnnlibError

SWEEP_STEPS = 100
_LOWEST, _HIGHEST = 1e-6, 10.0
_SMOOTHING = (
    3.0  # standard deviation, in steps; centred, where a running mean would shift the curve to higher rates
)
_EXPLODED = 3.0  # times the first loss above the lowest
_RECENT = 3  # steps whose mean decides that: one bad batch ends nothing


@dataclass(frozen=True)
class RangeTest:
    """What a range test has seen, and the learning rate that it suggests."""

    rates: list[float]
    losses: list[float]
    """The total loss at each rate, smoothed."""
    suggestion: float


def range_test(trainer: Trainer, train: DataLoader[Any]) -> RangeTest:
    """Trains for about a hundred steps, each at a higher rate (1e-6 to 10), until the loss explodes.

    Batches differ more than a few steps change the loss. So each is also shown to the net as it was at first, with the
    same dropout, and what counts is the difference. Accumulation and clipping are the trainer's. A task without a label
    in a step is taken to be as good as in the steps around it. Parts of the model keep the factors of their learning
    rates, and what is frozen in the first epoch stays so.

    Args:
        trainer: a fresh one with a constant schedule; its weights are spoilt.
        train: batches whose sampler has an ``epoch`` to set; it is passed over as often as it takes.

    Raises:
        CnnlibError: the loss is not a number from the start, or falls at no rate.
    """
    torch.manual_seed(trainer.seed)
    trainer.enter_training(epoch=1)
    rates = np.geomspace(_LOWEST, _HIGHEST, SWEEP_STEPS)
    batches = _endless(train)
    untrained = deepcopy(trainer.model.module)
    rows: list[dict[str, float]] = []
    losses = np.empty(0)
    for rate in rates:
        set_learning_rate(trainer.optimizer, float(rate))
        row = _step(trainer, untrained, batches, len(rows))
        if not math.isfinite(row["total"]):
            break
        rows.append(row)
        losses = _totals(rows, trainer.objective)
        if losses[-_RECENT:].mean() > losses.min() + _EXPLODED * abs(losses[0]):
            break
    if not rows:
        raise CnnlibError(
            "the loss of the first batch is not a finite number, before any step; look at the model, the losses and "
            "the targets"
        )
    return read_curve(rates[: len(losses)], losses)


def _endless(train: DataLoader[Any]) -> Iterator[Batch]:
    for epoch in count(1):
        train.sampler.epoch = epoch
        yield from train


def _step(trainer: Trainer, untrained: nn.Module, batches: Iterator[Batch], index: int) -> dict[str, float]:
    """``total`` and the objective's parts, and ``first/`` the parts of ``untrained``; means over one step's batches."""
    means = Means()
    group = list(islice(batches, trainer.accumulate))
    trainer.begin_step(group, epoch=1, step=index)
    for batch in map(trainer.fabric.to_device, group):
        random = torch.get_rng_state()
        with torch.no_grad(), trainer.fabric.autocast():
            outputs = untrained(batch["image"].contiguous(memory_format=torch.channels_last))
            _, first = trainer.objective({name: raw.float() for name, raw in outputs.items()}, batch)
        torch.set_rng_state(random)
        total, parts = trainer.backward(batch)
        # A total that is not a number must not be passed over, as a part is where there is no label.
        means.add({"total": total.nan_to_num(nan=torch.inf), **parts})
        means.add({f"first/{name}": loss for name, loss in first.items()})
    trainer.step()
    return means.compute()


def _totals(rows: Sequence[Mapping[str, float]], objective: Objective) -> np.ndarray:
    """The total loss of each step. A task that a step has no label for has the loss that lies on the straight line
    between its neighbours; one that was never seen counts 0.
    """
    steps, totals = np.arange(len(rows)), np.zeros(len(rows))
    for name in objective.trained:
        losses, first = (np.array([row[f"{which}{name}/loss"] for row in rows]) for which in ("", "first/"))
        known = np.isfinite(losses)
        if known.any():
            change = np.interp(steps, steps[known], (losses - first)[known])
            totals += objective.weights[name] * (first[known].mean() + change)
    return totals


def read_curve(rates: np.ndarray, losses: np.ndarray) -> RangeTest:
    """The rate at which the loss fell most steeply over the logarithm of the rate, before its lowest point.

    Raises:
        CnnlibError: it did not fall by more than it scatters from batch to batch.
    """
    smooth = gaussian_filter1d(losses, _SMOOTHING, mode="nearest")
    lowest = int(smooth.argmin())
    scatter = float(np.std((losses - smooth)[: lowest + 1]))
    if lowest < 2 or smooth[0] - smooth[lowest] <= scatter:
        raise CnnlibError(
            f"the loss did not fall at any learning rate from {rates[0]:.2g} to {rates[-1]:.2g} "
            f"({smooth[0]:.4g} at first, {smooth[lowest]:.4g} at the lowest); look at the model, the losses and the "
            "targets: training.overfit_batches: 1 tries whether they can be learned at all"
        )
    steepest = int(np.gradient(smooth)[: lowest + 1].argmin())
    suggestion = float(f"{rates[steepest]:.2g}")  # no more digits than it is good for
    return RangeTest(rates.tolist(), smooth.tolist(), suggestion)
