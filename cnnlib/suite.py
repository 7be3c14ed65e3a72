"""Many experiments and seeds: what is to run, running it, and one table of the results."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from cnnlib.config import SuiteConfig
from cnnlib.data_checks import with_checked_data
from cnnlib.estimate import epochs_left, time_trials
from cnnlib.experiment import run_experiment
from cnnlib.files import locked, remove_partial_files, write_atomically, write_csv, write_json
from cnnlib.parent_checks import check_parents
from cnnlib.parents import has_changed_parent, must_wait, refuse_changed_parents
from cnnlib.reporting.comparison import compare_suite, undecided
from cnnlib.reporting.results import SuiteResults, read_suite
from cnnlib.reporting.suite_files import write_suite_files
from cnnlib.result_file import read_result
from cnnlib.runs import (
    Run,
    clear,
    damaged_results,
    drop_damaged_results,
    is_finished,
    is_of_another_config,
    plan,
    refuse_other_configs,
)
from cnnlib.types import Forecast
from cnnlib.workers import run_in_processes


def run_suite(
    suite: SuiteConfig,
    out: Path,
    *,
    jobs: int = 1,
    overwrite: bool = False,
    resume: bool = True,
    fail_fast: bool = False,
) -> SuiteResults:
    """Runs what is not finished yet and writes tables and report.

    A suite with ``first_seeds`` is compared after so many seeds, and then after each further one; an experiment whose
    comparison is decided is trained no further.

    Args:
        out: the folder that holds the suite's folder.
        jobs: runs at a time; they share the machine's cores.
        overwrite: run everything again, from the start.
        resume: an unfinished run goes on from its last checkpoint, else from the start.
        fail_fast: stop at the first failure.

    Raises:
        CnnlibError: the data cannot be used, or a run's folder holds results of another config.
    """
    folder = out / suite.name
    runs = plan(suite, out)
    with locked(folder, "another suite is running in this folder; wait for it"):
        remove_partial_files(folder)
        waiting = _waiting(runs, overwrite)
        drop_damaged_results(runs)
        if kept := len(runs) - len(waiting):
            print(
                f"finished before and kept: {kept} of {len(runs)} (--overwrite runs them again)",
                file=sys.stderr,
            )
        waiting = with_checked_data(waiting)
        for run in waiting:
            if _begins_again(run, overwrite, resume):
                clear(run)
        write_atomically(folder / "suite.yaml", suite.to_yaml())
        for wave in _waves(suite, folder, waiting):
            failed = _run_all(wave, jobs, fail_fast, lambda: write_results(runs, folder))
            if failed and fail_fast:
                break
        write_results(runs, folder)
        results = read_suite(folder)
        write_suite_files(results)
        # A parent that was trained again may have changed under a child that was kept.
        refuse_changed_parents(runs)
    return results


def _waves(suite: SuiteConfig, folder: Path, waiting: Sequence[Run]) -> Iterator[list[Run]]:
    """What to run before the next comparison; what that leaves open goes on, and with it the baseline and what they
    build on.
    """
    first = suite.first_seeds or len(suite.seeds)
    yield [run for run in waiting if run.seed in suite.seeds[:first]]
    for seed in suite.seeds[first:]:
        still_open = undecided(compare_suite(read_suite(folder)))
        if not still_open:
            return
        print(f"undecided, so seed {seed} comes next: {', '.join(still_open)}", file=sys.stderr)
        wanted = {suite.baseline, *still_open}
        wanted |= {ancestor for name in wanted for ancestor in suite.ancestors(name)}
        yield [run for run in waiting if run.seed == seed and run.experiment in wanted]


def _run_all(runs: Sequence[Run], jobs: int, fail_fast: bool, after_each: Callable[[], None]) -> bool:
    """Whether any failed."""
    failed = False
    for run, code in run_in_processes(_run, runs, jobs, must_wait):
        if code and not (run.folder / "result.json").exists():
            _note_failure(run, f"the process ended with exit code {code} (negative: killed by that signal)")
        after_each()
        failed = failed or bool(code)
        if failed and fail_fast:
            break
    return failed


def forecast_suite(
    suite: SuiteConfig, out: Path, *, jobs: int = 1, overwrite: bool = False, resume: bool = True
) -> list[Forecast]:
    """What ``run_suite`` would do with the same arguments, and for how long; leaves nothing in ``out``.

    Opens the data, which fills its caches, and times a few batches of every experiment that has something to run. A
    suite with ``first_seeds`` may end earlier.

    Raises:
        CnnlibError: what ``run_suite`` would raise, or an experiment that cannot even begin.
    """
    finished, waiting = check_suite(suite, out, overwrite=overwrite)
    trials = time_trials(list({run.experiment: run for run in waiting}.values()), jobs)
    forecasts = []
    for name in suite.experiments:
        epochs = [
            run.config.training.epochs if _begins_again(run, overwrite, resume) else epochs_left(run)
            for run in waiting
            if run.experiment == name
        ]
        seconds = sum(trials[name].seconds(count) for count in epochs)
        memory = trials[name].memory if epochs else ""
        finished_runs = sum(run.experiment == name for run in finished)
        forecasts.append(Forecast(name, finished_runs, epochs, seconds, memory))
    return forecasts


def check_suite(suite: SuiteConfig, out: Path, *, overwrite: bool = False) -> tuple[list[Run], list[Run]]:
    """The runs that are finished, and those that wait: all that ``run_suite`` checks before it trains; leaves nothing
    in ``out``.

    Raises:
        CnnlibError: what ``run_suite`` would raise.
    """
    runs = plan(suite, out)
    waiting = _waiting(runs, overwrite)
    for error in damaged_results(runs).values():
        print(f"{error}; it would be made again", file=sys.stderr)
    return [run for run in runs if run not in waiting], with_checked_data(waiting)


def _waiting(runs: Sequence[Run], overwrite: bool) -> list[Run]:
    """Those that are to be run.

    Raises:
        CnnlibError: a run's folder holds results of another config, or its parent cannot be started from.
    """
    check_parents(runs, overwrite)
    if not overwrite:
        refuse_other_configs(runs)
        refuse_changed_parents(runs)
    return [run for run in runs if overwrite or not is_finished(run)]


def _begins_again(run: Run, overwrite: bool, resume: bool) -> bool:
    """Whether nothing is kept of a run that waits."""
    return overwrite or not resume or is_of_another_config(run) or has_changed_parent(run)


def write_results(runs: Sequence[Run], folder: Path) -> None:
    """``results.csv``: one row per experiment and seed, for those that ended."""
    results = [result for run in runs if (result := read_result(run.folder)) is not None]
    rows = [
        {key: value for key, value in result.items() if not isinstance(value, dict | list)}
        | {f"test/{key}": value for key, value in result.get("test", {}).items()}
        for result in results
    ]
    columns = ["experiment", "seed", "status", "error", "epochs", "best_epoch", "seconds"]
    columns += ["images_per_second", "peak_memory_mib", "parameters"]
    columns += sorted({key for row in rows for key in row if key.startswith("test/")})
    write_csv(folder / "results.csv", columns, [{key: row.get(key) for key in columns} for row in rows])


def _run(run: Run) -> None:
    """In the run's own process: the exit code says how it ended, ``result.json`` holds the rest."""
    try:
        for name in ("result.json", "traceback.txt"):
            (run.folder / name).unlink(missing_ok=True)
        run_experiment(run)
    except Exception as error:
        # PyTorch's handler raises when another data-loading process dies; the failure is still to be noted.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        message = str(error).rstrip()
        # An error from a data-loading process: PyTorch's message holds its traceback, whose last line is the error.
        if "Original Traceback" in message:
            message = message.rpartition("\n")[2]
        _note_failure(run, f"{type(error).__name__}: {message}")
        # Where the traceback cannot be written, the note must do.
        with suppress(OSError):
            write_atomically(run.folder / "traceback.txt", traceback.format_exc())
        raise SystemExit(1) from None


def _note_failure(run: Run, error: str) -> None:
    identity = {"suite": run.suite, "experiment": run.experiment, "seed": run.seed}
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        write_json(run.folder / "result.json", identity | {"status": "failed", "error": error})
    except OSError as cannot:
        # The other runs go on.
        print(
            f"{run.folder}: failed ({error}), which cannot be noted there: {cannot.strerror}", file=sys.stderr
        )
