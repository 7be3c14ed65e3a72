"""A suite's folder, read back: what ran, what came out, what is missing."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zipfile import BadZipFile, ZipFile

import numpy as np
import yaml
from PIL import Image, UnidentifiedImageError

from cnnlib.lookup import find
from cnnlib.tasks import TASKS, Task
from cnnlib.types import CnnlibError


@dataclass(frozen=True)
class Run:
    """A finished run. Metrics are keyed ``<task>/<metric>``; an undefined one is NaN."""

    folder: Path
    experiment: str
    seed: int
    result: Mapping[str, Any]
    history: Mapping[str, np.ndarray]
    """Column to values, an epoch each; empty if ``metrics.csv`` is missing."""
    per_image: Mapping[str, Mapping[str, float]]
    """Metric to image name to value; empty if ``per_image.csv`` is missing."""
    groups: Mapping[str, str]
    """Image name to what it shares with images that it is not independent of; its own name where that is none."""

    @property
    def test(self) -> dict[str, float]:
        return numbers(self.result["test"])

    @property
    def mean_image(self) -> dict[str, float]:
        """What predicting the training set's mean target gets on the same test images."""
        return numbers(self.result["mean_image"])

    @cached_property
    def config(self) -> dict[str, Any]:
        """The run's sections as ``config.yaml`` has them, every value as text."""
        suite = read_yaml(self.folder / "config.yaml")
        return suite | (suite.get("experiments", {}).get(self.experiment) or {})

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """
        Raises:
            CnnlibError: ``config.yaml`` is missing, or its tasks cannot be built.
        """
        path = self.folder / "config.yaml"
        return {
            name: _build_task(name, options, path) for name, options in self.config.get("tasks", {}).items()
        }

    @cached_property
    def predictions(self) -> SavedPredictions:
        return SavedPredictions(self.folder / "predictions")


@dataclass(frozen=True)
class FailedRun:
    """A run that ended with an error."""

    folder: Path
    experiment: str
    seed: int
    error: str


@dataclass(frozen=True)
class Suite:
    """Everything that a suite's folder holds, in the suite's order.

    Attributes:
        name: the suite's.
        baseline: the experiment that the others are tested against.
        experiments: all that were asked for, finished or not.
        runs, failed: what ended.
        missing: what should be there and is not, in words.
    """

    folder: Path
    name: str
    baseline: str
    experiments: tuple[str, ...]
    runs: tuple[Run, ...]
    failed: tuple[FailedRun, ...]
    missing: tuple[str, ...]

    def by_experiment(self) -> dict[str, list[Run]]:
        """The finished runs of each experiment that has any."""
        grouped = {name: [run for run in self.runs if run.experiment == name] for name in self.experiments}
        return {name: runs for name, runs in grouped.items() if runs}

    @property
    def groups(self) -> int:
        """Of how many groups the test images are; as many as images where each is independent."""
        return len({group for run in self.runs for group in run.groups.values()})

    @property
    def images(self) -> int:
        return len({name for run in self.runs for name in run.groups})

    @property
    def mean_image(self) -> dict[str, float]:
        """What the mean target gets; see ``shared_mean_image``."""
        return shared_mean_image([run.mean_image for run in self.runs])

    @property
    def ranked_by(self) -> dict[str, bool]:
        """The metrics that runs are ranked by, and whether higher is better."""
        return {
            ranked["metric"]: ranked["higher_is_better"]
            for run in self.runs
            for ranked in run.result["ranked_by"]
        }


def shared_mean_image(runs: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Metric to what the mean target gets; NaN where runs differ in it, having been trained on different data."""
    shared: dict[str, float] = {}
    for of_run in runs:
        for metric, value in of_run.items():
            alike = math.isclose(shared.setdefault(metric, value), value, rel_tol=1e-6)
            shared[metric] = value if alike else math.nan
    return shared


class SavedPredictions:
    """The pictures that a run saved, from a folder or from its one zip file.

    ``len`` is how many files there are: 0 where nothing was kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._archive: ZipFile | None = None
        archive = folder / "predictions.zip"
        try:
            if archive.exists():
                self._archive = ZipFile(archive)
                paths = self._archive.namelist()
            else:
                paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*.png")]
        except BadZipFile as error:
            raise CnnlibError(f"{archive}: damaged ({error}); run the experiment again") from None
        self._paths = {
            tuple(unquote(part) for part in path.removesuffix(".png").split("/")): path
            for path in paths
            if path.endswith(".png")
        }

    def __len__(self) -> int:
        return len(self._paths)

    def names(self, *folder: str) -> list[str]:
        """The samples that ``folder`` (``"mask"``, or ``"truth", "mask"``) holds, sorted."""
        return sorted(parts[-1] for parts in self._paths if parts[:-1] == folder)

    def inputs(self) -> list[str]:
        """What the input pictures are called."""
        return sorted({parts[1] for parts in self._paths if parts[0] == "input"})

    def read(self, *parts: str) -> np.ndarray | None:
        """The picture at ``parts`` (``"truth", "mask", name``) as an array, or ``None`` where there is none.

        Raises:
            CnnlibError: the file is damaged.
        """
        path = self._paths.get(parts)
        if path is None:
            return None
        try:
            if self._archive is None:
                return np.array(Image.open(self._folder / path))
            with self._archive.open(path) as file:
                return np.array(Image.open(file))
        except (OSError, BadZipFile, UnidentifiedImageError, SyntaxError) as error:
            raise CnnlibError(
                f"{self._folder}: {path} cannot be read ({error}); run the experiment again"
            ) from None


def read_suite(folder: Path) -> Suite:
    """Reads what ``suite.yaml`` in ``folder`` asked for; a run that is not there is noted, not an error.

    Raises:
        CnnlibError: no suite's folder, or a damaged file, which is named.
    """
    path = folder / "suite.yaml"
    if not path.exists():
        raise CnnlibError(f"{folder}: no suite.yaml; give a suite's folder, such as runs/joint_l1_l1")
    suite = read_yaml(path)
    try:
        name, experiments, seeds = (
            suite["name"],
            tuple(suite["experiments"]),
            [int(seed) for seed in suite["seeds"]],
        )
        baseline = suite.get("baseline") or experiments[0]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CnnlibError(
            f"{path}: needs name, experiments and seeds as run_suite writes them (at fault: {error}); "
            "run the suite again to have it written anew"
        ) from None
    runs: list[Run] = []
    failed: list[FailedRun] = []
    missing: list[str] = []
    for experiment in experiments:
        for seed in seeds:
            _read_run(folder / experiment / f"seed-{seed}", experiment, seed, runs, failed, missing)
    return Suite(folder, name, baseline, experiments, tuple(runs), tuple(failed), tuple(missing))


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's mapping with every value as the text that stands there: an experiment may be called ``on``.

    Raises:
        CnnlibError: missing or damaged.
    """
    content = _text(path)
    try:
        value = yaml.load(content, yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise CnnlibError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(value, dict):
        raise CnnlibError(f"{path}: must hold a mapping; it holds {type(value).__name__}")
    return value


def read_json(path: Path) -> dict[str, Any]:
    """
    Raises:
        CnnlibError: missing, damaged, or no JSON object.
    """
    content = _text(path)
    try:
        value = json.loads(content)
    except ValueError as error:
        raise CnnlibError(f"{path}: not valid JSON ({error}); delete it to run this again") from None
    if not isinstance(value, dict):
        raise CnnlibError(f"{path}: must hold a JSON object; delete it to run this again")
    return value


def _read_run(
    folder: Path, experiment: str, seed: int, runs: list[Run], failed: list[FailedRun], missing: list[str]
) -> None:
    path = folder / "result.json"
    if not path.exists():
        missing.append(
            f"{experiment}, seed {seed}: not finished (no result.json in {folder.parent.name}/{folder.name})"
        )
        return
    result = read_json(path)
    if result.get("status") == "failed":
        failed.append(FailedRun(folder, experiment, seed, str(result.get("error", "no reason was noted"))))
        return
    absent = [key for key in ("test", "mean_image", "ranked_by", "seconds") if key not in result]
    if absent:
        raise CnnlibError(f"{path}: lacks {', '.join(absent)}; delete it to run this again")
    for file, consequence in (
        ("metrics.csv", "left out of the training curves"),
        ("per_image.csv", "left out of the tests and of the choice of images"),
        ("config.yaml", "no pictures"),
    ):
        if not (folder / file).exists():
            missing.append(f"{experiment}, seed {seed}: no {file} ({consequence})")
    runs.append(
        Run(
            folder,
            experiment,
            seed,
            result,
            _read_history(folder / "metrics.csv"),
            _read_per_image(folder / "per_image.csv"),
            {row["name"]: row.get("group", row["name"]) for row in _rows(folder / "per_image.csv")},
        )
    )


def _read_history(path: Path) -> dict[str, np.ndarray]:
    rows = list(_rows(path))
    return {key: np.array([_number(row[key], path) for row in rows]) for key in (rows[0] if rows else ())}


def _read_per_image(path: Path) -> dict[str, dict[str, float]]:
    rows = list(_rows(path))
    return {
        metric: {row["name"]: _number(row[metric], path) for row in rows}
        for metric in (rows[0] if rows else ())
        if metric not in ("name", "group")
    }


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if not path.exists():
        return
    with path.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            if None in row or None in row.values():
                raise CnnlibError(f"{path}: row {number} does not have the header's number of columns")
            yield row


def _number(text: str, path: Path) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise CnnlibError(f"{path}: {text!r} is not a number") from None


def numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    """As they were before JSON, which has no NaN."""
    return {key: math.nan if value is None else float(value) for key, value in values.items()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CnnlibError(f"{path}: missing; run the experiment again") from None
    except UnicodeDecodeError:
        raise CnnlibError(f"{path}: not a text file in UTF-8") from None


def _build_task(name: str, written: Mapping[str, str], path: Path) -> Task:
    """A task from its entry in ``config.yaml``, less what only training needs."""
    options = {key: _typed(text) for key, text in written.items() if key not in ("name", "loss", "weight")}
    kind = written.get("name", name)
    try:
        return find(kind, TASKS, "task", needs=("kind",))(**options)
    except (CnnlibError, TypeError) as error:
        raise CnnlibError(f"{path}: tasks.{name}: {error}") from None


def _typed(text: str) -> Any:
    """``10.0``, ``true`` and ``null`` as what they stand for; anything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
