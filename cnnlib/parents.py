"""Runs that start from other runs: what they take over, whether that may be, and whether it has changed since."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnlib.config import ExperimentConfig, load_experiment
from cnnlib.engine.checkpoint import load_checkpoint
from cnnlib.engine.takeover import take_over_optimizer, take_over_weights
from cnnlib.engine.trainer import Trainer
from cnnlib.files import file_hash, write_json
from cnnlib.result_file import StartRecord, read_result, read_start_record
from cnnlib.runs import Run, few, status_of
from cnnlib.types import CnnlibError

_RECORD = "parent.json"


@dataclass(frozen=True)
class Parent:
    """A finished run that another one starts from."""

    folder: Path
    record: StartRecord
    """What the other run keeps of it: as ``parent.json``, and as ``start_from`` in its ``result.json``."""

    def hand_over(self, run: Run, trainer: Trainer) -> None:
        """Gives ``trainer`` what the run's ``start_from`` asks for.

        Raises:
            CnnlibError: model or optimizer do not fit.
        """
        wanted, model = run.config.start_from, trainer.model.module
        path = best_weights(self.folder)
        state = load_checkpoint(path)
        try:
            take_over_weights(model, state["model"], weights=wanted.weights, heads=wanted.heads)
        except CnnlibError as error:
            raise CnnlibError(f"start_from: {self.folder}: {error}") from None
        if wanted.optimizer and "optimizer" not in state:
            raise CnnlibError(
                f"start_from: {path} holds no optimizer; train it again, or set optimizer: false"
            )
        if wanted.optimizer:
            take_over_optimizer(trainer.optimizer, model, state["optimizer"], heads=wanted.heads)


def best_weights(folder: Path) -> Path:
    """Of a run; where there is a moving average, these are its weights."""
    return folder / "checkpoints" / "best.ckpt"


def read_parent(run: Run) -> Parent | None:
    """The run that ``run`` starts from; ``None`` where it starts from nothing.

    Raises:
        CnnlibError: it has not finished, or ``run`` must not start from it.
    """
    if run.parent is None:
        return None
    result = read_result(run.parent)
    if result is None or result["status"] != "finished":
        what = (
            "has not finished; run it first" if result is None else "failed; once it finishes, try this again"
        )
        raise CnnlibError(f"its parent {run.parent.parent.name} {run.parent.name.replace('-', ' ')} {what}")
    refuse_unfit(run, parent_config(run), result["seed"])
    wanted, same_suite = run.config.start_from, _suite(run.parent) == _suite(run.folder)
    record = StartRecord(
        folder=os.path.relpath(run.parent, run.folder) if same_suite else str(run.parent.resolve()),
        experiment=result["experiment"],
        seed=result["seed"],
        sha256=file_hash(best_weights(run.parent)),
        weights=wanted.weights,
        optimizer=wanted.optimizer,
        heads=wanted.heads,
    )
    return Parent(run.parent, record)


def _suite(folder: Path) -> Path:
    """The folder of the suite that a run's is in."""
    return folder.resolve().parent.parent


def parent_config(run: Run) -> ExperimentConfig:
    """Of the same suite, or as the parent's folder says."""
    name = run.config.start_from.experiment
    return load_experiment(run.parent / "config.yaml") if name is None else run.ancestors[name]


def keep_record(run: Run, parent: Parent) -> None:
    """Keeps in the run's folder which weights it starts from, before anything is made from them.

    Raises:
        CnnlibError: the run was begun from others.
    """
    if changed := list(_changed([run], {parent.folder: parent.record["sha256"]})):
        raise CnnlibError(_other_weights(changed))
    write_json(run.folder / _RECORD, parent.record)


def refuse_changed_parents(runs: Iterable[Run]) -> None:
    """Raises ``CnnlibError`` where a run was begun from other weights than its parent has now.

    A failed run is passed over, for it is to be run again. So is one whose parent is still to be trained.
    """
    judged = [run for run in runs if status_of(run.folder) != "failed"]
    if changed := list(_changed(judged)):
        raise CnnlibError(_other_weights(changed))


def has_changed_parent(run: Run) -> bool:
    return any(_changed([run]))


def _other_weights(changed: Sequence[Run]) -> str:
    listed = few([f"{run.folder} (from {run.config.start_from.run})" for run in changed])
    return (
        f"{listed}: made from other weights than those there now; pass --overwrite to run again, or another --out or "
        "suite name to keep both"
    )


def _changed(runs: Iterable[Run], hashes: Mapping[Path, str] | None = None) -> Iterator[Run]:
    """Those whose record names other weights than their finished parent has.

    Args:
        hashes: of the parents' weights, where they are known.
    """
    known = dict(hashes or {})
    for run in runs:
        record = _read_record(run)
        if run.parent is None or record is None:
            continue
        if run.parent not in known and status_of(run.parent) != "finished":
            continue
        if run.parent not in known:
            known[run.parent] = file_hash(best_weights(run.parent))
        if record["sha256"] != known[run.parent]:
            yield run


def _read_record(run: Run) -> StartRecord | None:
    try:
        return read_start_record(run.folder / _RECORD, f"delete {run.folder} to run this again")
    except FileNotFoundError:
        return None


def refuse_unfit(run: Run, parent: ExperimentConfig, seed: int) -> None:
    """Raises ``CnnlibError`` where the parent has another optimizer than the one that takes over from it, or was
    trained on images that ``run`` is tested on.

    The latter is known where both divide the same data: their folds must be the same, by number and by seed. Between
    data of different names, or of different options where one has no folds, nothing is known, and nothing refused.

    Args:
        seed: the parent's.
    """
    optimizers = run.config.optimizer.name, parent.optimizer.name
    if run.config.start_from.optimizer and optimizers[0] != optimizers[1]:
        raise CnnlibError(
            f"start_from: optimizer: true needs one optimizer for both; {run.experiment} has {optimizers[0]}, and its "
            f"parent {optimizers[1]}"
        )
    own, other = run.config.dataset, parent.dataset
    both_folded = own.folds is not None and other.folds is not None
    if own.name != other.name or not (both_folded or own.options == other.options):
        return
    if (own.folds, own.fold_of(run.seed)) != (other.folds, other.fold_of(seed)):
        raise CnnlibError(
            f"start_from: the parent of {run.experiment} seed {run.seed} was trained on another division into folds, "
            "and so on images that this run is tested on: give both the same folds, and start from the run under the "
            "same seed"
        )


def must_wait(run: Run, unfinished: Sequence[Run]) -> bool:
    """Whether its parent is still to be trained."""
    return any(run.parent == other.folder for other in unfinished)
