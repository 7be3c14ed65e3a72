"""A look at the data of a configuration before anything is trained: a table, a picture and a page."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from cnnlib.assembly import make_tasks, splits_of
from cnnlib.config import ExperimentConfig, build
from cnnlib.datasets import DATASETS
from cnnlib.datasets.fingerprints import Fingerprints
from cnnlib.datasets.inspection import evenly_spread, inspect_samples
from cnnlib.datasets.leaks import check_leaks, find_leaks
from cnnlib.files import write_atomically, write_csv
from cnnlib.lookup import find
from cnnlib.reporting.dataset_page import Channel, render_dataset
from cnnlib.tasks import TASKS, Task
from cnnlib.tasks.sample_pictures import sample_sheet
from cnnlib.types import CnnlibError, DataSource, Sample, SampleSource, Split

_COLORS = {3: (" red", " green", " blue"), 1: ("",)}


def inspect_dataset(
    config: ExperimentConfig, seed: int, out: Path, title: str, command: str, shown: int
) -> list[str]:
    """Writes ``samples.csv``, ``samples.png`` and ``index.html`` into the folder ``out``.

    Args:
        seed: the run's, which says what fold is tested on where there are folds.
        title: of the page.
        command: that calls this, for the page.
        shown: samples on the picture.

    Returns:
        The problems in words: what ``check`` of the data set says, pictures in two splits, samples that cannot be read.

    Raises:
        CnnlibError: the data set cannot be opened at all, or no sample can be read.
    """
    source = build(config.dataset, DATASETS)
    splits = splits_of(config, source, seed)
    tasks = _tasks(config, source)
    known = Fingerprints()
    problems = [*_check(source)]
    found = inspect_samples(splits, tasks, known)
    if len(found.problems) == len(found.rows):
        raise CnnlibError(f"no sample can be read; the first: {(found.problems or ['there is none'])[0]}")
    problems += found.problems
    if words := check_leaks(title, find_leaks(splits, known, None), allowed=True):
        problems.append(words)
    samples = list(_readable(splits, shown))
    picture = io.BytesIO()
    sample_sheet(f"{title}: {len(samples)} samples", samples, source.inputs, tasks).save(picture, "PNG")
    channels = [
        Channel(name, mean, std)
        for name, mean, std in zip(
            _channel_names(source.inputs), found.channels.mean, found.channels.std, strict=True
        )
    ]
    facts = {"inputs": ", ".join(source.inputs), "targets": ", ".join(source.targets)}
    facts |= {"size": f"{source.size} x {source.size}" if source.size else "as stored"}
    page = render_dataset(title, facts, found.rows, channels, problems, picture.getvalue(), command)
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "samples.csv", found.columns, found.rows)
    write_atomically(out / "samples.png", picture.getvalue())
    write_atomically(out / "index.html", page)
    return problems


def command_line(tool: str, path: Path, overrides: list[str], out: Path) -> str:
    """The command, to be shown."""
    sets = [part for override in overrides for part in ("--set", override)]
    return shlex.join(["python", tool, str(path), *sets, "--out", str(out)])


def _tasks(config: ExperimentConfig, source: DataSource) -> dict[str, Task]:
    """Of every target: as the configuration has it, else with its kind's defaults."""
    made = make_tasks(config, source.targets)
    return {
        key: made[key] if key in made else find(info.kind, TASKS, "task", (Task,))(info=info)
        for key, info in source.targets.items()
    }


def _check(source: DataSource) -> Iterator[str]:
    try:
        getattr(source, "check", lambda: None)()
    except CnnlibError as error:
        yield str(error)


def _readable(splits: Mapping[Split, SampleSource], count: int) -> Iterator[Sample]:
    for part, index in evenly_spread(splits, count):
        try:
            yield splits[part][index]
        except CnnlibError:  # it is among the problems
            continue


def _channel_names(inputs: Mapping[str, int]) -> list[str]:
    return [
        f"{name}{part}"
        for name, channels in inputs.items()
        for part in _COLORS.get(channels, [f" {index}" for index in range(channels)])
    ]
