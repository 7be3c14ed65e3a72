"""A suite's folder, read once: what ran, what came out, what is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean

from cnnlib.reporting.run_files import read_yaml, typed
from cnnlib.reporting.run_result import RUN_FILES, RunResult, UnfinishedRun, read_run
from cnnlib.tasks import Task
from cnnlib.types import CnnlibError


@dataclass(frozen=True)
class SuiteResults:
    """Everything that a suite's folder holds, in the suite's order.

    Attributes:
        baseline: the experiment that the others are tested against.
        experiments: all that were asked for, finished or not.
        seeds: that each may be run under.
        unfinished: runs that should be there; without those that an earlier look may make needless.
        margins: task to what counts as equal, where the suite says so.
        main_task: the one whose main metric is tested; ``None`` tests all.
        first_seeds: experiments are compared after so many seeds, and then after each; ``None`` waits for all.
    """

    folder: Path
    name: str
    baseline: str
    experiments: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: tuple[RunResult, ...]
    unfinished: tuple[UnfinishedRun, ...]
    margins: Mapping[str, float] = field(default_factory=dict)
    main_task: str | None = None
    first_seeds: int | None = None

    @property
    def missing(self) -> list[str]:
        """What should be there and is not, or is damaged, in words; of saved predictions, as far as they were read."""
        lines = [
            f"{run.experiment}, seed {run.seed}: not finished (no result.json in {run.experiment}/{run.folder.name})"
            for run in self.unfinished
            if run.error is None
        ]
        for run in self.runs:
            name = f"{run.experiment}, seed {run.seed}"
            lines += [
                f"{name}: {run.damaged[file]} ({RUN_FILES[file]})"
                if file in run.damaged
                else f"{name}: no {file} ({RUN_FILES[file]})"
                for file in run.missing
            ]
            lines += [f"{name}: {fault}" for fault in run.predictions.errors]
        return lines

    @cached_property
    def finished(self) -> dict[str, list[RunResult]]:
        """The finished runs of each experiment that has any."""
        return self.finished_under(self.seeds)

    def finished_under(self, seeds: Sequence[int]) -> dict[str, list[RunResult]]:
        """The finished runs of each experiment that has any under ``seeds``."""
        runs = [run for run in self.runs if run.seed in seeds]
        grouped = {name: [run for run in runs if run.experiment == name] for name in self.experiments}
        return {name: of_name for name, of_name in grouped.items() if of_name}

    def has_ended(self, experiments: Sequence[str], count: int) -> bool:
        """Whether all of ``experiments`` have finished, or failed, under the first ``count`` seeds."""
        failed = [run for run in self.unfinished if run.error is not None]
        ended = {(run.experiment, run.seed) for run in [*self.runs, *failed]}
        return all((name, seed) in ended for name in experiments for seed in self.seeds[:count])

    @property
    def looks(self) -> range:
        """The numbers of seeds after which experiments are compared."""
        return range(self.first_seeds or len(self.seeds), len(self.seeds) + 1)

    @cached_property
    def folds(self) -> int | None:
        """The number of folds in cross-validation, where each seed has test images of its own; ``None`` elsewhere."""
        found = {run.result.get("folds") for run in self.runs}
        return found.pop() if len(found) == 1 else None

    @cached_property
    def described(self) -> dict[str, RunResult]:
        """The first run of each experiment whose tasks are known."""
        return {name: runs[0] for name, runs in self.all_described.items()}

    @cached_property
    def all_described(self) -> dict[str, list[RunResult]]:
        """The finished runs of each experiment whose tasks are known."""
        known = {
            name: [run for run in runs if not {"config.yaml", "data.json"} & {*run.missing}]
            for name, runs in self.finished.items()
        }
        return {name: runs for name, runs in known.items() if runs}

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """Of all experiments; a task is as in the first that has it."""
        return {key: task for run in reversed(self.described.values()) for key, task in run.tasks.items()}

    @cached_property
    def explanations(self) -> dict[str, str]:
        """Metric to one line for readers who have not met it."""
        return {
            f"{key}/{metric}": text
            for key, task in self.tasks.items()
            for metric, text in task.metric().explanations.items()
        }

    @cached_property
    def groups(self) -> dict[str, str]:
        """Every test image and its group, as a run has them."""
        return {name: group for run in self.runs for name, group in run.groups.items()}

    def measured(self, metric: str) -> int:
        """The number of test images for which any run defines ``metric``: the others lack the label."""
        tables = (run.per_image.get(metric, {}) for run in self.runs)
        return len({name for table in tables for name, value in table.items() if math.isfinite(value)})

    @cached_property
    def constant(self) -> dict[str, float]:
        """Metric to what the constant predictor gets; NaN where runs differ in it: their data are not the same, or not
        shown alike. Of folds, the mean over them.
        """
        shared: dict[tuple[str, int | None], float] = {}
        for run in self.runs:
            for metric, value in run.constant.items():
                key = metric, run.seed if self.folds else None
                alike = math.isclose(shared.setdefault(key, value), value, rel_tol=1e-6)
                shared[key] = value if alike else math.nan
        metrics = dict.fromkeys(metric for metric, _ in shared)
        return {
            metric: fmean(value for (of, _), value in shared.items() if of == metric) for metric in metrics
        }

    def constant_range(self, metric: str) -> tuple[float, ...]:
        """What the constant predictor gets, or the lowest and the highest where runs differ; empty if undefined."""
        if math.isfinite(value := self.constant.get(metric, math.nan)):
            return (value,)
        found = [run.constant.get(metric, math.nan) for run in self.runs]
        known = [value for value in found if math.isfinite(value)]
        return (min(known), max(known)) if known else ()

    @cached_property
    def ranked_by(self) -> dict[str, bool]:
        """The metrics that runs are ranked by, the main task's first, and whether higher is better."""
        ranked_by = [ranked for run in self.runs for ranked in run.result["ranked_by"]]
        ranked_by.sort(key=lambda ranked: ranked["metric"].partition("/")[0] != self.main_task)
        return {ranked["metric"]: ranked["higher_is_better"] for ranked in ranked_by}

    @property
    def tested_by(self) -> list[str]:
        """Those in which experiments are tested against the baseline."""
        return [metric for metric in self.ranked_by if self.main_task in (None, metric.partition("/")[0])]


def read_suite(folder: Path) -> SuiteResults:
    """Reads what ``suite.yaml`` in ``folder`` asked for; a run that is not there is noted, not an error.

    Raises:
        CnnlibError: no suite's folder, or a damaged file, which is named.
    """
    path = folder / "suite.yaml"
    if not path.exists():
        raise CnnlibError(f"{folder}: no suite.yaml; give a suite's folder, such as runs/joint_l1_l1")
    suite = read_yaml(path)
    try:
        name, experiments = suite["name"], tuple(suite["experiments"])
        seeds = [int(seed) for seed in suite["seeds"]]
        baseline = suite.get("baseline") or experiments[0]
        margins = {task: float(margin) for task, margin in (suite.get("margins") or {}).items()}
        main_task, first_seeds = (
            typed(suite.get("main_task", "null")),
            typed(suite.get("first_seeds", "null")),
        )
        if not (first_seeds is None or isinstance(first_seeds, int)):
            raise ValueError(f"first_seeds is {first_seeds!r}")
        if outside := [each for each in experiments if each in ("", ".", "..") or Path(each).name != each]:
            raise ValueError(f"no folder can be called {outside[0]!r}")
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise CnnlibError(
            f"{path}: needs name, experiments and seeds as run_suite writes them (the problem: {error}); "
            "run the suite again to have it written anew"
        ) from None
    surely = seeds[:first_seeds]
    found = [
        read_run(path, name, seed)
        for name in experiments
        for seed in seeds
        if (path := folder / name / f"seed-{seed}").exists() or seed in surely
    ]
    runs = tuple(run for run in found if isinstance(run, RunResult))
    unfinished = tuple(run for run in found if isinstance(run, UnfinishedRun))
    return SuiteResults(
        folder, name, baseline, experiments, tuple(seeds), runs, unfinished, margins, main_task, first_seeds
    )
