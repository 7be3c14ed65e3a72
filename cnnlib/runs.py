"""One experiment under one seed: its folder, and what that says of it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnlib.config import ExperimentConfig, SuiteConfig, to_yaml
from cnnlib.files import user_path
from cnnlib.result_file import read_result
from cnnlib.types import CnnlibError


@dataclass(frozen=True)
class Run:
    """One experiment under one seed, and the folder that is its own."""

    suite: str
    experiment: str
    seed: int
    config: ExperimentConfig
    folder: Path
    parent: Path | None = None
    """The folder of the run that it starts from."""
    ancestors: Mapping[str, ExperimentConfig] = field(default_factory=dict, compare=False)
    """The experiments of the suite that it builds on, the oldest first."""
    constant: Mapping[str, float] | None = field(default=None, compare=False)
    """The constant predictor's metrics, where they have been measured already: many runs share them."""

    def config_text(self) -> str:
        """The YAML that repeats this run."""
        return to_yaml(self.config, self.suite, self.experiment, self.seed, self.ancestors)


def plan(suite: SuiteConfig, out: Path) -> list[Run]:
    """Every run of a suite, seed by seed, so that an early look compares all experiments."""
    return [
        _planned(suite, name, seed, out / suite.name) for seed in suite.seeds for name in suite.experiments
    ]


def _planned(suite: SuiteConfig, name: str, seed: int, folder: Path) -> Run:
    config, own = suite.experiments[name], f"seed-{seed}"
    parent = None
    if config.start_from is not None and config.start_from.experiment is not None:
        parent = folder / config.start_from.experiment / own
    elif config.start_from is not None:
        given = user_path(config.start_from.run, f"experiment {name!r}: start_from.run")
        parent = given if re.fullmatch(r"seed-\d+", given.name) else given / own
    ancestors = {each: suite.experiments[each] for each in suite.ancestors(name)}
    return Run(suite.name, name, seed, config, folder / name / own, parent, ancestors)


def status_of(folder: Path) -> str | None:
    """``finished``, ``failed``, or ``None`` for a run that has not ended, or whose result is damaged."""
    try:
        return (read_result(folder) or {}).get("status")
    except CnnlibError:
        return None


def is_finished(run: Run) -> bool:
    return status_of(run.folder) == "finished"


def damaged_results(runs: Iterable[Run]) -> dict[Path, str]:
    """Those that cannot be read, and what is wrong with them."""
    found = {}
    for run in runs:
        try:
            read_result(run.folder)
        except CnnlibError as error:
            found[run.folder / "result.json"] = str(error).partition("; delete")[0]
    return found


def drop_damaged_results(runs: Iterable[Run]) -> None:
    """So that these runs are finished again from their checkpoints; the files are named."""
    for path, fault in damaged_results(runs).items():
        print(f"{fault}; it is made again", file=sys.stderr)
        path.unlink()


def is_of_another_config(run: Run) -> bool:
    path = run.folder / "config.yaml"
    return path.exists() and not (path.is_file() and path.read_bytes() == run.config_text().encode())


def refuse_other_configs(runs: Sequence[Run]) -> None:
    """A failed run may be tried with another config, and gives way to it."""
    changed = [
        str(run.folder) for run in runs if is_of_another_config(run) and status_of(run.folder) != "failed"
    ]
    if changed:
        raise CnnlibError(
            f"{few(changed)}: made with another config than the one given now; "
            "pass --overwrite to run again, or another --out or suite name to keep both"
        )


def few(names: Sequence[str]) -> str:
    """The first three, and how many more."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def clear(run: Run) -> None:
    """Removes a run's folder; nothing that does not look like one."""
    if not run.folder.exists():
        return
    if not (run.folder / "config.yaml").exists() and any(os.scandir(run.folder)):
        raise CnnlibError(f"{run.folder}: holds no config.yaml, so it is no run's folder; it is left alone")
    shutil.rmtree(run.folder)
