"""The table that ends a suite in the terminal."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from statistics import mean, stdev

from rich.console import Console
from rich.table import Table

from cnnlib.reporting.comparison import MetricComparisons, compare_suite
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_result import RunResult
from cnnlib.reporting.words import duration, effect_words, plan_words, verdict_words
from cnnlib.types import Forecast

_SHOWN_BY_TENSORBOARD = 40  # with more, it starts with none
_MOST_COLUMNS = 3  # of metrics
_SHARED_CORES = 0.25  # of all, used by other processes; beyond it, times are not those of a run alone


def print_results(suite: SuiteResults, console: Console | None = None) -> None:
    """One row per experiment (mean and spread over seeds), the constant predictor, the verdicts in each metric, the
    failures, what to open next.
    """
    console = console or _console()
    if suite.runs:
        console.print(_table(suite))
        console.print(
            "(constant): a prediction that looks at no image: the best simple constant for the metric, from the "
            "training set (the mean mask at its best threshold, the median depth, ...)"
        )
    for metric, found in compare_suite(suite).items():
        for line in _verdicts(metric, suite.baseline, found):
            console.print(line, markup=False, highlight=False)
    for line in _notes(suite.runs):
        console.print(line, markup=False, highlight=False)
    _warn_of_shared_cores(suite.runs, console)
    failed = [run for run in suite.unfinished if run.error is not None]
    for run in failed:
        console.print(f"FAILED  {run.experiment} seed {run.seed}: {run.error}", markup=False)
        traceback = run.folder / "traceback.txt"
        if traceback.exists():
            console.print(f"        {traceback}", markup=False, highlight=False)
    if not suite.runs:
        return
    many = len(suite.runs) + len(failed) > _SHOWN_BY_TENSORBOARD
    hidden = " (over 40 runs: press TOGGLE ALL RUNS there)" if many else ""
    for line in (
        f"compare      {suite.folder / 'report.html'}",
        f"predictions  {suite.folder}/<experiment>/seed-<n>/predictions",
        f"curves       tensorboard --logdir {suite.folder}{hidden}",
    ):
        console.print(line, markup=False, highlight=False)


def _notes(runs: Sequence[RunResult]) -> Iterator[str]:
    """What single runs have found about themselves."""
    for run in runs:
        name = f"{run.experiment} seed {run.seed}"
        if "learning_rate" in run.result:
            yield f"{name}: learning_rate: auto took {run.result['learning_rate']:g}"
        if "overfit" in run.result:
            yield f"{name}: {run.result['overfit']['words']}"


def _console() -> Console:
    """A file has no width, and a table that is cut at 80 columns is no use in it."""
    return Console(soft_wrap=True, width=None if sys.stdout.isatty() else 200)


def _warn_of_shared_cores(runs: Sequence[RunResult], console: Console) -> None:
    """For a run alone: the runs of a suite may share the cores with each other."""
    used = runs[0].result.get("cores_used_by_others") if len(runs) == 1 else None
    if used is not None and used > _SHARED_CORES:
        console.print(
            f"note: other processes used {used:.0%} of the cores while this run trained; alone it is faster"
        )


def print_forecast(
    forecasts: Sequence[Forecast], jobs: int, at_most: bool = False, console: Console | None = None
) -> None:
    """One row per experiment: what is finished, what would run, for how long; then the whole, ``jobs`` at a time.

    Args:
        at_most: it may end earlier.
    """
    console = console or _console()
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
            duration(row.seconds) if row.epochs else "",
        )
    console.print(table)
    for row in forecasts:
        if row.memory:
            console.print(f"{row.experiment}: {row.memory}", markup=False, highlight=False)
    waiting = sum(len(row.epochs) for row in forecasts)
    if not waiting:
        console.print("all runs are finished")
        return
    at_a_time = min(jobs, waiting)
    seconds = sum(row.seconds for row in forecasts) / at_a_time
    limit = "at most " if at_most else ""
    console.print(
        f"to do: {limit}{waiting}, {at_a_time} at a time, in about {duration(seconds)}", highlight=False
    )


def _table(suite: SuiteResults) -> Table:
    """One row per experiment, or, where that would be too wide, one per metric."""
    metrics = list(suite.ranked_by)
    lines = [["experiment", *metrics, "seconds", "images/s"]]
    for name, runs in suite.finished.items():
        cells = [spread([run.test.get(metric, math.nan) for run in runs]) for metric in metrics]
        seconds, speed = (mean(run.result[key] for run in runs) for key in ("seconds", "images_per_second"))
        lines.append([name, *cells, f"{seconds:.0f}", f"{speed:.1f}"])
    constants = [" to ".join(f"{value:.4f}" for value in suite.constant_range(metric)) for metric in metrics]
    lines.append(["(constant)", *(words or "-" for words in constants), "", ""])
    header, *rows = zip(*lines, strict=True) if len(metrics) > _MOST_COLUMNS else lines
    several = len(suite.runs) > len(suite.finished)
    over = f"{suite.folds} folds" if suite.folds else "seeds"
    title = f"Test split (± standard deviation over {over})" if several else "Test split"
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(header):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _verdicts(metric: str, baseline: str, found: MetricComparisons) -> list[str]:
    others = {name: one for name, one in found.experiments.items() if name != baseline}
    width = max(map(len, others))
    lines = [f"{metric} against {baseline}"]
    for name, one in others.items():
        plan = f"; {plan_words(one)}" if plan_words(one) else ""
        lines.append(f"  {name:{width}}  {verdict_words(one)}: {effect_words(one)}{plan}")
    return lines


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation of the defined values."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "-"
    return f"{mean(known):.4f}" + (f" ± {stdev(known):.4f}" if len(known) > 1 else "")
