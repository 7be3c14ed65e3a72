"""A suite's results made from tables of scores, without any files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_result import RunResult, UnfinishedRun


def suite_of(
    tables: Mapping[str, Mapping[str, np.ndarray]],
    *,
    failed: Sequence[tuple[str, int]] = (),
    group: int = 1,
    errors: Sequence[str] = ("depth/mae",),
    **options: Any,
) -> SuiteResults:
    """A suite whose baseline is its first experiment.

    Args:
        tables: metric, experiment to (seeds, images).
        failed: experiments and seeds without a result.
        group: images in a row that are one group.
        errors: metrics of which lower is better.
    """
    experiments = tuple(next(iter(tables.values())))
    count = max(len(table) for of_metric in tables.values() for table in of_metric.values())
    runs = [
        _run(tables, experiment, seed, group, errors)
        for experiment in experiments
        for seed in range(len(next(iter(tables.values()))[experiment]))
        if (experiment, seed) not in failed
    ]
    unfinished = tuple(UnfinishedRun(Path("s") / name, name, seed, "it broke") for name, seed in failed)
    seeds = options.pop("seeds", tuple(range(count)))
    return SuiteResults(
        Path("s"), "s", experiments[0], experiments, seeds, tuple(runs), unfinished, **options
    )


def _run(
    tables: Mapping[str, Mapping[str, np.ndarray]],
    experiment: str,
    seed: int,
    group: int,
    errors: Sequence[str],
) -> RunResult:
    rows = {metric: of_metric[experiment][seed] for metric, of_metric in tables.items()}
    ranked_by = [{"metric": metric, "higher_is_better": metric not in errors} for metric in rows]
    test = {metric: float(np.nanmean(row)) for metric, row in rows.items()}
    result = {"test": test, "constant": {}, "ranked_by": ranked_by, "seconds": 60.0}
    per_image = {
        metric: {f"image{index}": float(value) for index, value in enumerate(row)}
        for metric, row in rows.items()
    }
    groups = {f"image{index}": f"group{index // group}" for index in range(len(next(iter(rows.values()))))}
    return RunResult(Path("s") / experiment / f"seed-{seed}", experiment, seed, result, {}, per_image, groups)
