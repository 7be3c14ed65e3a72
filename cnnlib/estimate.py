"""How long a suite would take: a few real batches of every experiment, timed, and counted up."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from cnnlib.assembly import expect_memory, finds_learning_rate, make_loaders, make_trainer, open_data
from cnnlib.config import Component, build
from cnnlib.engine.checkpoint import DamagedCheckpointError
from cnnlib.engine.lr_finder import SWEEP_STEPS
from cnnlib.engine.training_state import TrainingState, load_last
from cnnlib.files import write_json
from cnnlib.predictions import PERSISTERS
from cnnlib.reporting.progress import SilentProgress
from cnnlib.runs import Run
from cnnlib.types import CnnlibError
from cnnlib.workers import run_in_processes

_WARM_UP = 3
_TIMED = 8


@dataclass(frozen=True)
class Trial:
    """What was timed of one experiment, in seconds."""

    start: float
    """Data, net and loss, until the first batch; the search for a learning rate, where there is one."""
    epoch: float
    """Training and validation."""
    test: float
    """The test split, its predictions saved."""
    memory: str
    """What a step needs, in words."""

    def seconds(self, epochs: int) -> float:
        return self.start + epochs * self.epoch + self.test


def time_trials(runs: Sequence[Run], jobs: int) -> dict[str, Trial]:
    """A trial of each experiment, ``jobs`` at a time, as a suite would run them. Leaves nothing on disk.

    Args:
        runs: one of each experiment.

    Raises:
        CnnlibError: an experiment that cannot even begin.
    """
    trials, errors = {}, []
    with tempfile.TemporaryDirectory() as folder:
        moved = [replace(run, folder=Path(folder) / str(index)) for index, run in enumerate(runs)]
        for run, code in run_in_processes(_try, moved, jobs):
            path = run.folder / "trial.json"
            found = json.loads(path.read_text()) if path.exists() else {"error": f"it died with code {code}"}
            if "error" in found:
                errors.append(f"{run.experiment}: its trial failed: {found['error']}")
            else:
                trials[run.experiment] = Trial(**found)
    if errors:
        raise CnnlibError("\n".join(errors))
    return trials


def epochs_left(run: Run) -> int:
    """The most epochs that are left of a run that goes on where it was interrupted.

    Raises:
        CnnlibError: a checkpoint cannot be read, or its training state does not fit.
    """
    try:
        found = load_last(run.folder / "checkpoints")
    except DamagedCheckpointError as error:
        print(f"{error.fault}; it would be trained from the start", file=sys.stderr)
        found = None
    _, state = found or (None, TrainingState())
    return state.epochs_left(run.config.training.epochs, run.config.training.patience)


def _try(run: Run) -> None:
    """In a process of its own, which its ``trial.json`` outlives."""
    run.folder.mkdir()
    try:
        found = vars(_time(run))
    except Exception as error:
        found = {"error": f"{type(error).__name__}: {error}"}
    write_json(run.folder / "trial.json", found)


def _time(run: Run) -> Trial:
    began = time.perf_counter()
    # A short run's own schedule would end before the trial does.
    config = run.config.model_copy(update={"schedule": Component(name="constant")})
    data = open_data(config, run.seed)
    loaders = make_loaders(config, data, run.seed)
    trainer = make_trainer(config, data, run.seed, run.folder / "checkpoints", SilentProgress())
    start = time.perf_counter() - began
    epoch = trainer.costliest_epoch
    trainer.train_epoch(_FirstBatches(loaders.train, _WARM_UP), epoch)

    def timed(loader: DataLoader[Any], work: Any) -> float:
        """Seconds for the whole of ``loader``, from its first batches."""
        first = _FirstBatches(loader, _TIMED)
        began = time.perf_counter()
        work(first)
        return (time.perf_counter() - began) * len(loader) / len(first)

    training = timed(loaders.train, lambda loader: trainer.train_epoch(loader, epoch))
    validation = timed(loaders.val, trainer.validate)
    out, inputs = run.folder / "predictions", data.source.inputs
    persister = build(config.predictions, PERSISTERS, out=out, tasks=data.tasks, inputs=inputs)
    test = timed(loaders.test, lambda loader: trainer.validate(loader, [persister]))
    if finds_learning_rate(config):
        start += SWEEP_STEPS * config.training.accumulate * training / len(loaders.train)
    memory = expect_memory(config, data, trainer).words()
    return Trial(start, training + validation, test, memory)


class _FirstBatches:
    """The first batches of a loader."""

    def __init__(self, loader: DataLoader[Any], batches: int) -> None:
        self.loader = loader
        self.sampler = loader.sampler
        self.batches = min(batches, len(loader))

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Any]:
        return islice(iter(self.loader), self.batches)
