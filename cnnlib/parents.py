"""Runs that start from other runs: where the parent is, in what order they run, and whether it has changed since."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlib.checks import did_you_mean
from cnnlib.config import ExperimentConfig, load_suite
from cnnlib.engine.checkpoint import load_checkpoint, weights_hash
from cnnlib.engine.taking_over import take_over_optimizer, take_over_weights
from cnnlib.engine.trainer import Trainer
from cnnlib.files import write_json
from cnnlib.runs import Run, few, read_result
from cnnlib.types import CnnlibError

_NOTE = "parent.json"


@dataclass(frozen=True)
class Parent:
    """A finished run that another one starts from."""

    folder: Path
    config: ExperimentConfig
    result: Mapping[str, Any]
    state: Mapping[str, Any]
    """Its best checkpoint."""

    def hand_over(self, run: Run, trainer: Trainer) -> None:
        """Gives ``trainer`` what the run's ``start_from`` asks for.

        Raises:
            CnnlibError: model or optimizer do not fit.
        """
        wanted, model = run.config.start_from, trainer.model.module
        take_over_weights(model, self.state, weights=wanted.weights, heads=wanted.heads)
        if wanted.optimizer:
            if self.config.optimizer.name != run.config.optimizer.name:
                raise CnnlibError(
                    f"start_from.optimizer: {self.folder} was trained with {self.config.optimizer.name}, this run has "
                    f"{run.config.optimizer.name}; take the same optimizer, or optimizer: false"
                )
            take_over_optimizer(trainer.optimizer, self.state, heads=wanted.heads)

    def note(self, run: Run) -> None:
        """Keeps in the run's folder which weights it starts from."""
        wanted = run.config.start_from
        same_suite = self.folder.parent.parent == run.folder.parent.parent
        folder = os.path.relpath(self.folder, run.folder) if same_suite else str(self.folder.resolve())
        told = {key: self.result[key] for key in ("experiment", "seed")}
        taken = {key: getattr(wanted, key) for key in ("weights", "heads", "optimizer")}
        write_json(
            run.folder / _NOTE, {"folder": folder, **told, "sha256": weights_hash(self.state), **taken}
        )


def parent_folder(run: Run, experiments: Collection[str] = ()) -> Path | None:
    """Where the run that ``run`` starts from is, or will be; ``None`` where it starts from nothing.

    Args:
        experiments: of the suite, those without a folder included.

    Raises:
        CnnlibError: there is neither such an experiment nor such a folder.
    """
    if run.config.start_from is None:
        return None
    name, suite = run.config.start_from.run, run.folder.parent.parent
    own, given = f"seed-{run.seed}", Path(name).expanduser()
    if name in experiments or (given.name == name and (suite / name).is_dir()):
        return suite / name / own
    places = [given / own, given]
    for place in places:
        if (place / "config.yaml").exists():
            return place
    raise CnnlibError(
        f"experiment {run.experiment!r}: start_from.run: {name!r} is no experiment of this suite, and no folder with a "
        f"run of seed {run.seed} ({' or '.join(map(str, places))}){did_you_mean(name, experiments)}"
    )


def parents_of(runs: Sequence[Run]) -> dict[Path, Path]:
    """From the folder of each run that has a parent to the parent's.

    Raises:
        CnnlibError: one is neither among ``runs`` nor on disk.
    """
    experiments = {run.experiment for run in runs}
    found = {run.folder: parent_folder(run, experiments) for run in runs}
    return {folder: parent for folder, parent in found.items() if parent is not None}


def generations(runs: Sequence[Run]) -> list[list[Run]]:
    """The same runs, in their order, in groups: parents come in an earlier group than their children."""
    parents = parents_of(runs)
    folders = {run.folder for run in runs}

    def depth(folder: Path | None) -> int:
        return -1 if folder not in folders else 1 + depth(parents.get(folder))

    groups: dict[int, list[Run]] = {}
    for run in runs:
        groups.setdefault(depth(run.folder), []).append(run)
    return [groups[each] for each in sorted(groups)]


def read_parent(run: Run) -> Parent | None:
    """The run that ``run`` starts from, with its weights; ``None`` where it starts from nothing.

    Raises:
        CnnlibError: it has not finished, or it was trained on images that ``run`` is tested on.
    """
    folder = parent_folder(run)
    if folder is None:
        return None
    result = read_result(folder)
    if result is None or result["status"] != "finished":
        raise CnnlibError(
            f"the run that it starts from, {folder}, has {'failed' if result else 'not finished'}"
        )
    (config,) = load_suite(folder / "config.yaml").experiments.values()
    parent = Parent(folder, config, result, load_checkpoint(folder / "checkpoints" / "best.ckpt"))
    _refuse_seen_images(run, parent)
    return parent


def read_note(run: Run) -> dict[str, Any] | None:
    """Which weights a run started from, as ``Parent.note`` kept it."""
    path = run.folder / _NOTE
    try:
        return json.loads(path.read_text()) if path.exists() else None
    except ValueError as error:
        raise CnnlibError(f"{path}: not valid JSON ({error}); pass --overwrite to run this again") from None


def refuse_changed_parents(runs: Iterable[Run]) -> None:
    """Raises ``CnnlibError`` where a run was begun from other weights than its parent has now.

    A failed run is passed over, for it is run again. So is one whose parent is still to be trained: if that ends
    with other weights, the next call finds it.
    """
    hashes: dict[Path, str] = {}
    changed = []
    for run in runs:
        note = read_note(run)
        if note is None or (read_result(run.folder) or {}).get("status") == "failed":
            continue
        folder = parent_folder(run)
        if folder is None or (read_result(folder) or {}).get("status") != "finished":
            continue
        if folder not in hashes:
            hashes[folder] = weights_hash(load_checkpoint(folder / "checkpoints" / "best.ckpt"))
        if note.get("sha256") != hashes[folder]:
            changed.append(f"{run.folder} (from {folder})")
    if changed:
        raise CnnlibError(
            f"{few(changed)}: made from other weights than the parent has now; pass --overwrite to run again, or "
            "another --out or suite name to keep both"
        )


def _refuse_seen_images(run: Run, parent: Parent) -> None:
    """Folds of the same data must be the same fold; of other data nothing is known."""
    own, other = run.config.dataset, parent.config.dataset
    if (own.name, own.options) != (other.name, other.options):
        return
    folds = [own.folds, own.fold_of(run.seed)], [other.folds, other.fold_of(parent.result["seed"])]
    if folds[0] != folds[1]:
        raise CnnlibError(
            f"start_from: {parent.folder} was trained on another division into folds, and so on images that this run "
            f"is tested on: give both the same folds, and start from the run under the same seed, {run.seed}"
        )
