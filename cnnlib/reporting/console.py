"""The table that ends a suite in the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from cnnlib.reporting.results import shared_constant
from cnnlib.reporting.run_files import with_nan
from cnnlib.types import Forecast

_SHOWN_BY_TENSORBOARD = 40  # with more, it starts with none
_MOST_COLUMNS = 3  # of metrics
_SHARED_CORES = (
    0.25  # of the machine's cores, used by other processes; beyond it, times are not those of a run alone
)


def print_results(results: Sequence[Mapping[str, Any]], folder: Path, console: Console | None = None) -> None:
    """One row per experiment (mean and spread over seeds), the constant predictor, the failures, what to open next."""
    console = console or Console(soft_wrap=True)
    finished = [result for result in results if result["status"] == "finished"]
    if finished:
        console.print(_table(finished))
        console.print(
            "(constant): the best prediction that looks at no image, such as the training set's mean"
        )
    _warn_of_shared_cores(finished, console)
    for result in results:
        if result["status"] == "failed":
            console.print(
                f"FAILED  {result['experiment']} seed {result['seed']}: {result['error']}", markup=False
            )
            traceback = folder / result["experiment"] / f"seed-{result['seed']}" / "traceback.txt"
            if traceback.exists():
                console.print(f"        {traceback}", markup=False, highlight=False)
    if not finished:
        return
    console.print(f"compare      {folder / 'report.html'}", markup=False, highlight=False)
    console.print(f"predictions  {folder}/<experiment>/seed-<n>/predictions", markup=False, highlight=False)
    hidden = " (over 40 runs: press TOGGLE ALL RUNS there)" if len(results) > _SHOWN_BY_TENSORBOARD else ""
    console.print(f"curves       tensorboard --logdir {folder}{hidden}", markup=False, highlight=False)


def _warn_of_shared_cores(finished: Sequence[Mapping[str, Any]], console: Console) -> None:
    """For a run alone: the runs of a suite may share the cores with each other."""
    used = finished[0].get("cores_used_by_others") if len(finished) == 1 else None
    if used is not None and used > _SHARED_CORES:
        console.print(
            f"note: other processes used {used:.0%} of the cores while this run trained; alone it is faster"
        )


def print_forecast(forecasts: Sequence[Forecast], jobs: int, console: Console | None = None) -> None:
    """One row per experiment: what is finished, what would run, for how long; then the whole, ``jobs`` at a time."""
    console = console or Console(soft_wrap=True)
    table = Table(title="Dry run: nothing was kept", title_justify="left")
    table.add_column("experiment", no_wrap=True)
    for column in ("finished", "to run", "epochs", "about"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in forecasts:
        table.add_row(
            row.experiment,
            str(row.finished),
            str(len(row.epochs)),
            str(sum(row.epochs)),
            _duration(row.seconds) if row.epochs else "",
        )
    console.print(table)
    waiting = sum(len(row.epochs) for row in forecasts)
    if not waiting:
        console.print("all runs are finished")
        return
    at_a_time = min(jobs, waiting)
    seconds = sum(row.seconds for row in forecasts) / at_a_time
    console.print(f"to do: {waiting}, {at_a_time} at a time, in about {_duration(seconds)}", highlight=False)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def _table(finished: Sequence[Mapping[str, Any]]) -> Table:
    """One row per experiment, or, where that would be too wide, one per metric."""
    metrics = list(dict.fromkeys(ranked["metric"] for result in finished for ranked in result["ranked_by"]))
    lines = [["experiment", *metrics, "seconds", "images/s"]]
    for name in dict.fromkeys(result["experiment"] for result in finished):
        own = [result for result in finished if result["experiment"] == name]
        cells = [_spread([result["test"].get(metric) for result in own]) for metric in metrics]
        seconds, speed = (mean(result[key] for result in own) for key in ("seconds", "images_per_second"))
        lines.append([name, *cells, f"{seconds:.0f}", f"{speed:.1f}"])
    constant = shared_constant(with_nan(result["constant"]) for result in finished)
    lines.append(["(constant)", *(_spread([constant.get(metric)]) for metric in metrics), "", ""])
    header, *rows = zip(*lines, strict=True) if len(metrics) > _MOST_COLUMNS else lines
    several = any(result["seed"] != finished[0]["seed"] for result in finished)
    title = "Test split (± standard deviation over seeds)" if several else "Test split"
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(header):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None and not math.isnan(value)]
    if not known:
        return "-"
    return f"{mean(known):.4f}" + (f" ± {stdev(known):.4f}" if len(known) > 1 else "")
