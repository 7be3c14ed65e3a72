"""What is checked of runs that start from others, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from cnnlib.engine.checkpoint import load_checkpoint
from cnnlib.engine.takeover import taken_over
from cnnlib.parents import best_weights, parent_config, read_parent, refuse_unfit
from cnnlib.runs import Run, is_finished
from cnnlib.tasks.saved import read_data
from cnnlib.types import CnnlibError, TargetInfo


def check_parents(runs: Sequence[Run], overwrite: bool) -> None:
    """Raises ``CnnlibError``, before anything is trained, where a run must not or cannot start from its parent.

    Args:
        overwrite: finished runs are run again; else they need their parents no more.
    """
    planned = {run.folder.resolve() for run in runs}
    for run in runs:
        if run.parent is None or (is_finished(run) and not overwrite):
            continue
        if run.config.start_from.experiment is not None:
            refuse_unfit(run, parent_config(run), run.seed)
            continue
        where = f"experiment {run.experiment!r}: start_from.run: {run.config.start_from.run}"
        if run.parent.resolve() in planned:
            raise CnnlibError(f"{where} is of this suite; write the experiment's name alone")
        if not (run.parent / "config.yaml").exists():
            raise CnnlibError(
                f"{where}: no run is at {run.parent}; give the folder of an experiment or of a run"
            )
        try:
            read_parent(run)
        except CnnlibError as error:
            raise CnnlibError(f"{where}: {error}") from None


def check_weights(runs: Iterable[Run], shapes: Mapping[Path, Mapping[str, Tensor] | None]) -> None:
    """Raises ``CnnlibError``, before anything is trained, where a run cannot take over its parent's tensors.

    Args:
        shapes: by run folder, the states of models that are still to be trained; ``None`` where they are not known.
    """
    for run in runs:
        own, wanted = shapes.get(run.folder), run.config.start_from
        if wanted is None or own is None:
            continue
        given = (
            shapes[run.parent] if run.parent in shapes else load_checkpoint(best_weights(run.parent))["model"]
        )
        try:
            taken_over(own, given or own, weights=wanted.weights, heads=wanted.heads)
        except CnnlibError as error:
            raise CnnlibError(f"experiment {run.experiment!r}: start_from: {wanted.run}: {error}") from None


def check_names(runs: Iterable[Run], targets: Mapping[Path, Mapping[str, TargetInfo]]) -> None:
    """Raises ``CnnlibError``, before anything is trained, where a run would take over the heads of other classes or
    points: their shapes may be the same.

    Args:
        targets: by run folder, those of runs that are still to be trained.
    """
    for run in runs:
        wanted = run.config.start_from
        if wanted is None or not wanted.heads or run.folder not in targets:
            continue
        given = targets[run.parent] if run.parent in targets else read_data(run.parent).targets
        for task in run.config.tasks:
            own, other = (each[task].names if task in each else () for each in (targets[run.folder], given))
            if own != other:
                raise CnnlibError(
                    f"experiment {run.experiment!r}: start_from: {wanted.run}: its {task} has the names "
                    f"{', '.join(other) or 'none'}, and here it has {', '.join(own) or 'none'}; give both the "
                    "same, in one order, or set heads: false to begin with new heads"
                )
